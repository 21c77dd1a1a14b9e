declare const gitlab: {
  create_or_update_file(input: {project_id: string; file_path: string; content: string; commit_message: string; branch: string; previous_path?: string}): Promise<unknown>; // Create or update a single file in a GitLab project
  search_repositories(input: {search: string; page?: number; per_page?: number}): Promise<unknown>; // Search for GitLab projects
  create_repository(input: {name: string; description?: string; visibility?: "private" | "internal" | "public"; initialize_with_readme?: boolean}): Promise<unknown>; // Create a new GitLab project
  get_file_contents(input: {project_id: string; file_path: string; ref?: string}): Promise<unknown>; // Get the contents of a file or directory from a GitLab project
  push_files(input: {project_id: string; branch: string; files: {file_path: string; content: string}[]; commit_message: string}): Promise<unknown>; // Push multiple files to a GitLab project in a single commit
  create_issue(input: {project_id: string; title: string; description?: string; assignee_ids?: number[]; labels?: string[]; milestone_id?: number}): Promise<unknown>; // Create a new issue in a GitLab project
  create_merge_request(input: {project_id: string; title: string; description?: string; source_branch: string; target_branch: string; draft?: boolean; allow_collaboration?: boolean}): Promise<unknown>; // Create a new merge request in a GitLab project
  fork_repository(input: {project_id: string; namespace?: string}): Promise<unknown>; // Fork a GitLab project to your account or specified namespace
  create_branch(input: {project_id: string; branch: string; ref?: string}): Promise<unknown>; // Create a new branch in a GitLab project
};
