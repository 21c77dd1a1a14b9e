declare const everything: {
  /** [read] Echoes back the input string */
  echo(input: {
    /** Message to echo */
    message: string;
  }): Promise<unknown>;
  /** [read] Demonstrates how annotations can be used to provide metadata about content. */
  get_annotated_message(input: {
    /** Type of message to demonstrate different annotation patterns */
    messageType: "error" | "success" | "debug";
    /** Whether to include an example image (default false) */
    includeImage?: boolean;
  }): Promise<unknown>;
  /** [read] Returns all environment variables, helpful for debugging MCP server configuration */
  get_env(): Promise<unknown>;
  /** [read] Returns up to ten resource links that reference different types of resources */
  get_resource_links(input?: {
    /** Number of resource links to return (1-10) (default 3, min 1, max 10) */
    count?: number;
  }): Promise<unknown>;
  /** [read] Returns a resource reference that can be used by MCP clients */
  get_resource_reference(input?: {
    /** (default "Text") */
    resourceType?: "Text" | "Blob";
    /** ID of the text resource to fetch (default 1) */
    resourceId?: number;
  }): Promise<unknown>;
  /** [read] Returns structured content along with an output schema for client data validation */
  get_structured_content(input: {
    /** Choose city */
    location: "New York" | "Chicago" | "Los Angeles";
  }): Promise<{
    /** Temperature in celsius */
    temperature: number;
    /** Weather conditions description */
    conditions: string;
    /** Humidity percentage */
    humidity: number;
  }>;
  /** [read] Returns the sum of two numbers */
  get_sum(input: {
    /** First number */
    a: number;
    /** Second number */
    b: number;
  }): Promise<unknown>;
  /** [read] Returns a tiny MCP logo image. */
  get_tiny_image(): Promise<unknown>;
  /** [write] Compresses a single file using gzip compression. Depending upon the selected output type, returns either the compressed data as a gzipped resource or a resource link, allowing it to be downloaded in a subsequent request during the current session. */
  gzip_file_as_resource(input?: {
    /** Name of the output file (default "README.md.gz") */
    name?: string;
    /** URL or data URI of the file content to compress (default "https://raw.githubusercontent.com/modelcontextprotocol/servers/refs/heads/main/README.md", format uri) */
    data?: string;
    /** How the resulting gzipped file should be returned. 'resourceLink' returns a link to a resource that can be read later, 'resource' returns a full resource object. (default "resourceLink") */
    outputType?: "resourceLink" | "resource";
  }): Promise<unknown>;
  /** [write] Toggles simulated, random-leveled logging on or off. */
  toggle_simulated_logging(): Promise<unknown>;
  /** [write] Toggles simulated resource subscription updates on or off. */
  toggle_subscriber_updates(): Promise<unknown>;
  /** [read] Demonstrates a long running operation with progress updates. */
  trigger_long_running_operation(input?: {
    /** Duration of the operation in seconds (default 10) */
    duration?: number;
    /** Number of steps in the operation (default 5) */
    steps?: number;
  }): Promise<unknown>;
  /** [write] Simulates a deep research operation that gathers, analyzes, and synthesizes information. Demonstrates MCP task-based operations with progress through multiple stages. If 'ambiguous' is true and client supports elicitation, sends an elicitation request for clarification. */
  simulate_research_query(input: {
    /** The research topic to investigate */
    topic: string;
    /** Simulate an ambiguous query that requires clarification (triggers input_required status) (default false) */
    ambiguous?: boolean;
  }): Promise<unknown>;
};
