// SPDX-License-Identifier: Apache-2.0

package search

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// realDocs are the tools of servers in common use, by server and name, without descriptions.
func realDocs(tb testing.TB) []Doc {
	tb.Helper()
	raw, err := os.ReadFile("../../../policy/narrow/testdata/tools.json")
	if err != nil {
		tb.Fatal(err)
	}
	var tools map[string]json.RawMessage
	if err := json.Unmarshal(raw, &tools); err != nil {
		tb.Fatal(err)
	}
	var docs []Doc
	for _, key := range slices.Sorted(maps.Keys(tools)) {
		server, name, _ := strings.Cut(key, "/")
		docs = append(docs, Doc{Server: server, Name: name, Schema: tools[key]})
	}
	if len(docs) < 250 {
		tb.Fatalf("only %d tools", len(docs))
	}
	return docs
}

// questions are what models and people ask for, and the tool that does it.
func questions() [][2]string {
	return [][2]string{
		{"create a new issue on GitHub", "github/create_issue"},
		{"open a pull request", "github/create_pull_request"},
		{"merge the PR pull request with squash", "github/merge_pull_request"},
		{"search repos by topic", "github/search_repositories"},
		{"list the commits of a branch", "github/list_commits"},
		{"who last changed each line of a file blame", "github/get_file_blame"},
		{"comment on an issue", "github/add_issue_comment"},
		{"download logs of a failed CI job", "github/get_job_logs"},
		{"close an issue: change its state", "github/update_issue_state"},
		{"dependabot alerts", "github/list_dependabot_alerts"},
		{"fork a repository", "github/fork_repository"},
		{"delete a file from the repository", "github/delete_file"},
		{"star repositories", "github/star_repository"},
		{"newest release of a project", "github/get_latest_release"},
		{"gitlab merge request", "gitlab/create_merge_request"},
		{"read a file from disk", "filesystem/read_file"},
		{"read multiple files at once", "filesystem/read_multiple_files"},
		{"renaming or moving files", "filesystem/move_file"},
		{"directory listing with sizes", "filesystem/list_directory_with_sizes"},
		{"post a message to a Slack channel", "slack/slack_post_message"},
		{"reply in a thread", "slack/slack_reply_to_thread"},
		{"history of a channel", "slack/slack_get_channel_history"},
		{"what channels are there", "slack/slack_list_channels"},
		{"react to a message with an emoji", "slack/slack_add_reaction"},
		{"take a screenshot of the page", "playwright/browser_take_screenshot"},
		{"click on a button in the browser", "playwright/browser_click"},
		{"fill in a form", "playwright/browser_fill_form"},
		{"go to a URL, navigate", "playwright/browser_navigate"},
		{"console messages", "playwright/browser_console_messages"},
		{"upload files in the browser", "playwright/browser_file_upload"},
		{"scrape a web page", "firecrawl/firecrawl_scrape"},
		{"crawling status", "firecrawl/firecrawl_check_crawl_status"},
		{"find research papers", "firecrawl/firecrawl_research_search_papers"},
		{"insert documents into a MongoDB collection", "mongodb/insert-many"},
		{"createIndex mongodb", "mongodb/create-index"},
		{"which databases exist", "mongodb/list-databases"},
		{"aggregation pipeline", "mongodb/aggregate"},
		{"update a notion page as markdown", "notion/API-update-page-markdown"},
		{"children of a block", "notion/API-get-block-children"},
		{"query a data source", "notion/API-query-data-source"},
		{"add observations to the knowledge graph", "memory/add_observations"},
		{"errors and events in Sentry", "sentry/search_events"},
		{"analyse an issue with Seer", "sentry/analyze_issue_with_seer"},
		{"create DSN", "sentry/create_dsn"},
	}
}

// TestRelevance: what is asked for is among the first five, and mostly the first, even without descriptions.
func TestRelevance(t *testing.T) {
	docs := realDocs(t)
	s := New(docs).Scope(nil)
	first := 0
	for _, q := range questions() {
		var got []string
		for _, h := range s.Search(&Query{Text: q[0], Limit: 5}).Hits {
			got = append(got, docs[h.Doc].Server+"/"+docs[h.Doc].Name)
		}
		switch slices.Index(got, q[1]) {
		case -1:
			t.Errorf("%q finds %q, want %s among them", q[0], got, q[1])
		case 0:
			first++
		}
	}
	if n := len(questions()); first < n*2/3 {
		t.Errorf("only %d of %d are found first", first, n)
	} else {
		t.Logf("%d of %d are found first", first, n)
	}
}
