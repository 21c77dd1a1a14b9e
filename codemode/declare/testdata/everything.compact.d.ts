declare const everything: {
  echo(input: {message: string}): Promise<unknown>; // [read] Echoes back the input string
  get_annotated_message(input: {messageType: "error" | "success" | "debug"; includeImage?: boolean}): Promise<unknown>; // [read] Demonstrates how annotations can be used to provide metadata about content
  get_env(): Promise<unknown>; // [read] Returns all environment variables, helpful for debugging MCP server configuration
  get_resource_links(input?: {count?: number}): Promise<unknown>; // [read] Returns up to ten resource links that reference different types of resources
  get_resource_reference(input?: {resourceType?: "Text" | "Blob"; resourceId?: number}): Promise<unknown>; // [read] Returns a resource reference that can be used by MCP clients
  get_structured_content(input: {location: "New York" | "Chicago" | "Los Angeles"}): Promise<{temperature: number; conditions: string; humidity: number}>; // [read] Returns structured content along with an output schema for client data validation
  get_sum(input: {a: number; b: number}): Promise<unknown>; // [read] Returns the sum of two numbers
  get_tiny_image(): Promise<unknown>; // [read] Returns a tiny MCP logo image
  gzip_file_as_resource(input?: {name?: string; data?: string; outputType?: "resourceLink" | "resource"}): Promise<unknown>; // [write] Compresses a single file using gzip compression
  toggle_simulated_logging(): Promise<unknown>; // [write] Toggles simulated, random-leveled logging on or off
  toggle_subscriber_updates(): Promise<unknown>; // [write] Toggles simulated resource subscription updates on or off
  trigger_long_running_operation(input?: {duration?: number; steps?: number}): Promise<unknown>; // [read] Demonstrates a long running operation with progress updates
  simulate_research_query(input: {topic: string; ambiguous?: boolean}): Promise<unknown>; // [write] Simulates a deep research operation that gathers, analyzes, and synthesizes information
};
