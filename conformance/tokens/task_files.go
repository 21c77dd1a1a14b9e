// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"
)

// lines are those of s that are not empty.
func lines(s string) iter.Seq[string] { return strings.SplitSeq(strings.TrimSpace(s), "\n") }

type counted struct {
	Files  int `json:"files"`
	Errors int `json:"errors"`
	Words  int `json:"words,omitempty"`
}

func logsTask() *task {
	table := func(counts []int) (string, int) {
		total, b := 0, strings.Builder{}
		b.WriteString("file,errors\n")
		for i, n := range counts {
			fmt.Fprintf(&b, "%s,%d\n", logName(i), n)
			total += n
		}
		return b.String(), total
	}
	return &task{
		name: "T1", title: "20 logs: count errors, write a table",
		ask: "The folder logs holds log files. Count the lines of level ERROR in each, and write the counts to " + outErrors +
			", with the columns file,errors, sorted by file. How many are there in all?",
		toolset: "files", query: "list directory, read text file, write file", tools: []string{"filesystem.list_directory", "filesystem.read_text_file", "filesystem.write_file"},
		script: "logs", mistake: "tool_error",
		calls: func(f *fixtures, do doer) (any, error) {
			names, err := listed(do, "logs")
			if err != nil {
				return nil, err
			}
			var batch []call
			for _, name := range names {
				batch = append(batch, call{"filesystem", "read_text_file", map[string]any{"path": "logs/" + name}})
			}
			texts, err := do(batch...)
			if err != nil {
				return nil, err
			}
			var counts []int
			for _, text := range texts {
				n := 0
				for line := range lines(text) {
					if strings.Fields(line)[1] == "ERROR" {
						n++
					}
				}
				counts = append(counts, n)
			}
			csv, total := table(counts)
			_, err = do(call{"filesystem", "write_file", map[string]any{"path": outErrors, "content": csv}})
			return counted{Files: len(names), Errors: total}, err
		},
		say: sentence(func(c counted) string {
			return fmt.Sprintf("The %d logs hold %d errors in all; the counts are in %s.", c.Files, c.Errors, outErrors)
		}),
		want: func(f *fixtures, _ *hub) string {
			_, total := table(f.errors)
			return fmt.Sprintf(`{"files":%d,"errors":%d}`, logFiles, total)
		},
		check: func(f *fixtures) error {
			csv, _ := table(f.errors)
			return f.same(outErrors, csv)
		},
	}
}

// index is a list of documents, and how many words they have.
func index(all []document) (string, int) {
	total, b := 0, strings.Builder{}
	for i, d := range all {
		fmt.Fprintf(&b, "- [%s](docs/%s), %d words, %s\n", d.title, docName(i), d.words, d.changed.Format(time.DateOnly))
		total += d.words
	}
	return b.String(), total
}

func docsTask() *task {
	return &task{
		name: "T4", title: "15 documents: write an index",
		ask: "Write " + outIndex + ", a list of the documents in the folder docs, each line like \"- [title](docs/file.md), 123 words, 2025-01-31\", " +
			"with the date of the last change. How many words do they have together?",
		toolset: "files", query: "list directory, read text file, file info, write file",
		tools:  []string{"filesystem.list_directory", "filesystem.read_text_file", "filesystem.get_file_info", "filesystem.write_file"},
		script: "docs", mistake: "syntax",
		calls: indexCalls,
		say: sentence(func(c counted) string {
			return fmt.Sprintf("%s lists the %d documents, which have %d words together.", outIndex, c.Files, c.Words)
		}),
		want: func(f *fixtures, _ *hub) string {
			_, total := index(f.documents)
			return fmt.Sprintf(`{"files":%d,"words":%d}`, documents, total)
		},
		check: func(f *fixtures) error {
			text, _ := index(f.documents)
			return f.same(outIndex, text)
		},
	}
}

// modified finds the time of the last change in what get_file_info says.
func modified(info string) (time.Time, error) {
	m := regexp.MustCompile(`(?m)^modified: (\w+ \w+ \d+ \d+ [\d:]+ GMT[+-]\d{4})`).FindStringSubmatch(info)
	if m == nil {
		return time.Time{}, fmt.Errorf("no time of change in %q", info)
	}
	return time.Parse("Mon Jan 02 2006 15:04:05 GMT-0700", m[1])
}

func indexCalls(f *fixtures, do doer) (any, error) {
	names, err := listed(do, "docs")
	if err != nil {
		return nil, err
	}
	var batch []call
	for _, name := range names {
		at := map[string]any{"path": "docs/" + name}
		batch = append(batch, call{"filesystem", "read_text_file", at}, call{"filesystem", "get_file_info", at})
	}
	texts, err := do(batch...)
	if err != nil {
		return nil, err
	}
	var all []document
	for i := range names {
		text, info := texts[2*i], texts[2*i+1]
		at, err := modified(info)
		if err != nil {
			return nil, err
		}
		title, _, _ := strings.Cut(text, "\n")
		all = append(all, document{title: strings.TrimPrefix(title, "# "), words: len(strings.Fields(text)), changed: at.UTC()})
	}
	text, total := index(all)
	_, err = do(call{"filesystem", "write_file", map[string]any{"path": outIndex, "content": text}})
	return counted{Files: len(names), Words: total}, err
}

func sizeTask() *task {
	path := "docs/" + docName(0)
	return &task{
		name: "T5", title: "one small call (adverse)",
		ask:     "How many bytes has " + path + "?",
		toolset: "files", query: "file size info", tools: []string{"filesystem.get_file_info"},
		script: "size", mistake: "exception",
		calls: func(f *fixtures, do doer) (any, error) {
			info, err := one(do, call{"filesystem", "get_file_info", map[string]any{"path": path}})
			if err != nil {
				return nil, err
			}
			var size int
			_, err = fmt.Sscanf(info, "size: %d", &size)
			return size, err
		},
		say:   sentence(func(n int) string { return fmt.Sprintf("%s has %d bytes.", path, n) }),
		want:  func(f *fixtures, _ *hub) string { return fmt.Sprint(f.documents[0].size) },
		check: func(*fixtures) error { return nil },
	}
}
