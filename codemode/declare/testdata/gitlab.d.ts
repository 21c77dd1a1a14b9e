declare const gitlab: {
  /** Create or update a single file in a GitLab project */
  create_or_update_file(input: {
    /** Project ID or URL-encoded path */
    project_id: string;
    /** Path where to create/update the file */
    file_path: string;
    /** Content of the file */
    content: string;
    /** Commit message */
    commit_message: string;
    /** Branch to create/update the file in */
    branch: string;
    /** Path of the file to move/rename */
    previous_path?: string;
  }): Promise<unknown>;
  /** Search for GitLab projects */
  search_repositories(input: {
    /** Search query */
    search: string;
    /** Page number for pagination (default: 1) */
    page?: number;
    /** Number of results per page (default: 20) */
    per_page?: number;
  }): Promise<unknown>;
  /** Create a new GitLab project */
  create_repository(input: {
    /** Repository name */
    name: string;
    /** Repository description */
    description?: string;
    /** Repository visibility level */
    visibility?: "private" | "internal" | "public";
    /** Initialize with README.md */
    initialize_with_readme?: boolean;
  }): Promise<unknown>;
  /** Get the contents of a file or directory from a GitLab project */
  get_file_contents(input: {
    /** Project ID or URL-encoded path */
    project_id: string;
    /** Path to the file or directory */
    file_path: string;
    /** Branch/tag/commit to get contents from */
    ref?: string;
  }): Promise<unknown>;
  /** Push multiple files to a GitLab project in a single commit */
  push_files(input: {
    /** Project ID or URL-encoded path */
    project_id: string;
    /** Branch to push to */
    branch: string;
    /** Array of files to push */
    files: {
      /** Path where to create the file */
      file_path: string;
      /** Content of the file */
      content: string;
    }[];
    /** Commit message */
    commit_message: string;
  }): Promise<unknown>;
  /** Create a new issue in a GitLab project */
  create_issue(input: {
    /** Project ID or URL-encoded path */
    project_id: string;
    /** Issue title */
    title: string;
    /** Issue description */
    description?: string;
    /** Array of user IDs to assign */
    assignee_ids?: number[];
    /** Array of label names */
    labels?: string[];
    /** Milestone ID to assign */
    milestone_id?: number;
  }): Promise<unknown>;
  /** Create a new merge request in a GitLab project */
  create_merge_request(input: {
    /** Project ID or URL-encoded path */
    project_id: string;
    /** Merge request title */
    title: string;
    /** Merge request description */
    description?: string;
    /** Branch containing changes */
    source_branch: string;
    /** Branch to merge into */
    target_branch: string;
    /** Create as draft merge request */
    draft?: boolean;
    /** Allow commits from upstream members */
    allow_collaboration?: boolean;
  }): Promise<unknown>;
  /** Fork a GitLab project to your account or specified namespace */
  fork_repository(input: {
    /** Project ID or URL-encoded path */
    project_id: string;
    /** Namespace to fork to (full path) */
    namespace?: string;
  }): Promise<unknown>;
  /** Create a new branch in a GitLab project */
  create_branch(input: {
    /** Project ID or URL-encoded path */
    project_id: string;
    /** Name for the new branch */
    branch: string;
    /** Source branch/commit for new branch */
    ref?: string;
  }): Promise<unknown>;
};
