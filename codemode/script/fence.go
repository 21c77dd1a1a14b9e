// SPDX-License-Identifier: Apache-2.0

package script

import (
	"regexp"
	"strings"
)

// fence is the line that begins or ends a fenced block: where it is, what it consists of, and the tag behind it.
type fence struct {
	line       int // from 1
	start, end int // end is where the next line begins
	mark       string
	tag        string
}

var fenceLine = regexp.MustCompile("^[ \t>]*(```+|~~~+)[ \t]*([^`]*)$")

// block is code as offsets in a source.
type block struct{ start, end int }

// code finds the code in what a model wrote: all of it, or the one fenced block and its tag.
func code(t *text) (b block, tag string, err *SyntaxError) {
	all := block{0, len(t.s)}
	fences := fencesIn(t)
	if len(fences) == 0 || inside(t.s[:fences[0].start]) {
		return inline(t.s, all), "", nil
	}
	blocks, tags := blocksOf(t, fences)
	chosen := 0
	if len(blocks) > 1 {
		var ours []int
		for i, tag := range tags {
			if script(tag) {
				ours = append(ours, i)
			}
		}
		if len(ours) != 1 {
			at := blocks[1].start
			return all, "", newError(t, at, "there are several fenced blocks of code", "send one script: everything that is to run in one block")
		}
		chosen = ours[0]
	}
	for _, rest := range []block{{0, fences[0].start}, {after(t, fences), len(t.s)}} {
		if at, ok := does(t.s[rest.start:rest.end]); ok {
			return all, "", newError(t, rest.start+at, "there is code outside of the fenced block", "put all of the script into one block, or send it without a fence")
		}
	}
	return blocks[chosen], tags[chosen], nil
}

func fencesIn(t *text) []fence {
	var out []fence
	if !strings.Contains(t.s, "```") && !strings.Contains(t.s, "~~~") {
		return nil
	}
	for i, start := range t.starts {
		line := t.line(i + 1)
		m := fenceLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		end := len(t.s)
		if i+1 < len(t.starts) {
			end = t.starts[i+1]
		}
		out = append(out, fence{i + 1, start, end, m[1], strings.ToLower(strings.TrimSpace(m[2]))})
	}
	return out
}

// blocksOf pairs fences: a block ends at the first line without a tag whose mark is at least as long, or with the text.
func blocksOf(t *text, fences []fence) (blocks []block, tags []string) {
	for i := 0; i < len(fences); i++ {
		open := fences[i]
		b := block{open.end, len(t.s)}
		closed := false
		for i++; i < len(fences); i++ {
			if f := fences[i]; f.tag == "" && strings.HasPrefix(f.mark, open.mark) {
				b.end, closed = f.start, true
				break
			}
		}
		if trimmed := strings.TrimRight(t.s[b.start:b.end], " \t\r\n"); !closed && strings.HasSuffix(trimmed, open.mark) {
			b.end = b.start + len(trimmed) - len(open.mark) // the closing mark is behind the last statement
		}
		blocks, tags = append(blocks, b), append(tags, open.tag)
	}
	return blocks, tags
}

// after is where the text behind the last block begins.
func after(t *text, fences []fence) int {
	if last := fences[len(fences)-1]; len(fences)%2 == 0 {
		return last.end
	}
	return len(t.s)
}

// script reports whether a tag is that of a language we run.
func script(tag string) bool {
	name, _, _ := strings.Cut(tag, " ")
	switch strings.Trim(name, "{}.") {
	case "ts", "typescript", "js", "javascript", "mjs", "mts", "tsx", "jsx":
		return true
	}
	return false
}

// foreign reports whether a tag is that of another language.
func foreign(tag string) bool {
	switch tag {
	case "python", "py", "python3", "bash", "sh", "shell", "json", "go", "ruby", "java", "sql", "html", "xml", "yaml", "starlark":
		return true
	}
	return false
}

// inline takes the marks off code that is fenced on one line.
func inline(s string, all block) block {
	trimmed := strings.TrimSpace(s)
	if len(trimmed) < 7 || !strings.HasPrefix(trimmed, "```") || !strings.HasSuffix(trimmed, "```") || strings.ContainsAny(trimmed, "\r\n") {
		return all
	}
	start := strings.Index(s, "```") + 3
	end := start + len(trimmed) - 6
	if tag, _, ok := strings.Cut(s[start:end], " "); ok && script(tag) {
		start += len(tag)
	}
	return block{start, end}
}

// inside reports whether text in front of a fence shows that the fence is part of a comment or of a template.
func inside(before string) bool {
	return strings.Count(before, "`")%2 == 1 || strings.LastIndex(before, "/*") > strings.LastIndex(before, "*/")
}

// does reports whether text beside a fenced block is code that would do something, and where it begins. Prose hardly ever is.
func does(s string) (int, bool) {
	if !strings.ContainsAny(s, "=(") {
		return 0, false
	}
	o := read(s)
	if o.err != nil {
		return 0, false
	}
	const before, behind = "(async () => {", "});"
	out := transform(before + s + "\n})")
	if len(out.Errors) > 0 {
		return 0, false
	}
	printed := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(string(out.Code), before)), behind)
	return o.first, strings.ContainsAny(printed, "=(")
}
