declare const playwright: {
  browser_close(): Promise<unknown>; // [write, destructive] Close the page
  browser_resize(input: {width: number; height: number}): Promise<unknown>; // [write, destructive] Resize the browser window
  browser_console_messages(input: {level: "error" | "warning" | "info" | "debug"; all?: boolean; filename?: string}): Promise<unknown>; // [read] Returns all console messages
  browser_handle_dialog(input: {accept: boolean; promptText?: string}): Promise<unknown>; // [write, destructive] Handle a dialog
  browser_emulate_media(input?: {colorScheme?: "light" | "dark" | null; reducedMotion?: "reduce" | "no-preference" | null; forcedColors?: "active" | "none" | null; contrast?: "more" | "no-preference" | null; media?: "screen" | "print" | null}): Promise<unknown>; // [write, destructive] Emulate CSS media features for the page, for example switch between the light and dark color scheme
  browser_evaluate(input: {element?: string; target?: string; function: string; filename?: string}): Promise<unknown>; // [write, destructive] Evaluate JavaScript expression on page or element
  browser_file_upload(input?: {paths?: string[]}): Promise<unknown>; // [write, destructive] Upload one or multiple files
  browser_drop(input: {element?: string; target: string; paths?: string[]; data?: Record<string, string>}): Promise<unknown>; // [write, destructive] Drop files or MIME-typed data onto an element, as if dragged from outside the page
  browser_find(input?: {text?: string; regex?: string; filename?: string}): Promise<unknown>; // [read] Search the accessibility snapshot of the current page for text or a regular expression
  browser_fill_form(input: {fields: {element?: string; target: string; name: string; type: "textbox" | "checkbox" | "radio" | "combobox" | "slider"; value: string}[]}): Promise<unknown>; // [write, destructive] Fill multiple form fields
  browser_press_key(input: {key: string}): Promise<unknown>; // [write, destructive] Press a key on the keyboard
  browser_type(input: {element?: string; target: string; text: string; submit?: boolean; slowly?: boolean}): Promise<unknown>; // [write, destructive] Type text into editable element
  browser_navigate(input: {url: string}): Promise<unknown>; // [write, destructive] Navigate to a URL
  browser_navigate_back(): Promise<unknown>; // [write, destructive] Go back to the previous page in the history
  browser_network_requests(input: {static: boolean; filter?: string; filename?: string}): Promise<unknown>; // [read] Returns a numbered list of network requests since loading the page
  browser_network_request(input: {index: number; part?: "request-headers" | "request-body" | "response-headers" | "response-body"; filename?: string}): Promise<unknown>; // [read] Returns full details (headers and body) of a single network request, or a single part if `part` i…
  browser_run_code_unsafe(input?: {code?: string; filename?: string}): Promise<unknown>; // [write, destructive] Run a Playwright code snippet
  browser_take_screenshot(input: {element?: string; target?: string; type?: "png" | "jpeg" | "webp"; filename?: string; fullPage?: boolean; scale: "css" | "device"}): Promise<unknown>; // [read] Take a screenshot of the current page
  browser_snapshot(input?: {target?: string; filename?: string; depth?: number; boxes?: boolean}): Promise<unknown>; // [read] Capture accessibility snapshot of the current page, this is better than screenshot
  browser_click(input: {element?: string; target: string; doubleClick?: boolean; button?: "left" | "right" | "middle"; modifiers?: ("Alt" | "Control" | "ControlOrMeta" | "Meta" | "Shift")[]}): Promise<unknown>; // [write, destructive] Perform click on a web page
  browser_drag(input: {startElement?: string; startTarget: string; endElement?: string; endTarget: string}): Promise<unknown>; // [write, destructive] Perform drag and drop between two elements
  browser_hover(input: {element?: string; target: string}): Promise<unknown>; // [write, destructive] Hover over element on page
  browser_select_option(input: {element?: string; target: string; values: string[]}): Promise<unknown>; // [write, destructive] Select an option in a dropdown
  browser_tabs(input: {action: "list" | "new" | "close" | "select"; index?: number; url?: string}): Promise<unknown>; // [write, destructive] List, create, close, or select a browser tab
  browser_wait_for(input?: {time?: number; text?: string; textGone?: string}): Promise<unknown>; // [read] Wait for text to appear or disappear or a specified time to pass
};
