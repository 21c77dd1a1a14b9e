declare const slack: {
  slack_list_channels(input?: {limit?: number; cursor?: string}): Promise<unknown>; // List public or pre-defined channels in the workspace with pagination
  slack_post_message(input: {channel_id: string; text: string}): Promise<unknown>; // Post a new message to a Slack channel
  slack_reply_to_thread(input: {channel_id: string; thread_ts: string; text: string}): Promise<unknown>; // Reply to a specific message thread in Slack
  slack_add_reaction(input: {channel_id: string; timestamp: string; reaction: string}): Promise<unknown>; // Add a reaction emoji to a message
  slack_get_channel_history(input: {channel_id: string; limit?: number}): Promise<unknown>; // Get recent messages from a channel
  slack_get_thread_replies(input: {channel_id: string; thread_ts: string}): Promise<unknown>; // Get all replies in a message thread
  slack_get_users(input?: {cursor?: string; limit?: number}): Promise<unknown>; // Get a list of all users in the workspace with their basic profile information
  slack_get_user_profile(input: {user_id: string}): Promise<unknown>; // Get detailed profile information for a specific user
};
