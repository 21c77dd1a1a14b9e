declare const filesystem: {
  read_file(input: {path: string; tail?: number; head?: number}): Promise<{content: string}>; // [read] Read the complete contents of a file as text
  read_text_file(input: {path: string; tail?: number; head?: number}): Promise<{content: string}>; // [read] Read the complete contents of a file from the file system as text
  read_media_file(input: {path: string}): Promise<{content: ({type: "image" | "audio"; data: string; mimeType: string} | {type: "resource"; resource: {uri: string; mimeType?: string; blob: string}})[]}>; // [read] Read a file and return it as a base64-encoded content block with its MIME type
  read_multiple_files(input: {paths: string[]}): Promise<{content: string}>; // [read] Read the contents of multiple files simultaneously
  write_file(input: {path: string; content: string}): Promise<{content: string}>; // [write, destructive] Create a new file or completely overwrite an existing file with new content
  edit_file(input: {path: string; edits: {oldText: string; newText: string}[]; dryRun?: boolean}): Promise<{content: string}>; // [write, destructive] Make line-based edits to a text file
  create_directory(input: {path: string}): Promise<{content: string}>; // [write] Create a new directory or ensure a directory exists
  list_directory(input: {path: string}): Promise<{content: string}>; // [read] Get a detailed listing of all files and directories in a specified path
  list_directory_with_sizes(input: {path: string; sortBy?: "name" | "size"}): Promise<{content: string}>; // [read] Get a detailed listing of all files and directories in a specified path, including sizes
  directory_tree(input: {path: string; excludePatterns?: string[]}): Promise<{content: string}>; // [read] Get a recursive tree view of files and directories as a JSON structure
  move_file(input: {source: string; destination: string}): Promise<{content: string}>; // [write, destructive] Move or rename files and directories
  search_files(input: {path: string; pattern: string; excludePatterns?: string[]}): Promise<{content: string}>; // [read] Recursively search for files and directories matching a pattern
  get_file_info(input: {path: string}): Promise<{content: string}>; // [read] Retrieve detailed metadata about a file or directory
  list_allowed_directories(): Promise<{content: string}>; // [read] Returns the list of directories that this server is allowed to access
};
