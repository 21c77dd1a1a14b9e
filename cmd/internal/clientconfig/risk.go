// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// argvRisks notes what should be looked at before the program of the current entry is started.
func (im *importer) argvRisks() {
	u := im.current
	for _, r := range Risks(u.Command, u.Args) {
		im.note(NoteRisk, u.Name, r.Text, r.Hint)
	}
	if slices.ContainsFunc(u.Args, func(a string) bool { return a == "mcp-remote" || strings.HasPrefix(a, "mcp-remote@") }) {
		im.note(NoteRemark, u.Name, "mcp-remote bridges to a URL, which tollgate does itself", "replace command and args by url and headers")
	}
	for _, key := range sortedKeys(u.Env) {
		upper := strings.ToUpper(key)
		if slices.Contains([]string{"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "NODE_OPTIONS", "PYTHONSTARTUP", "BASH_ENV", "PERL5OPT", "RUBYOPT"}, upper) || strings.HasPrefix(upper, "DYLD_") {
			im.note(NoteRisk, u.Name, key+" makes the program load other code", "keep it only if that is meant")
		}
	}
}

// Risk is a property of a command line that a reader should know before it runs.
type Risk struct{ Text, Hint string }

// Risks looks at a program and its arguments, as they stand in tollgate.yaml. An empty result does not mean that the program
// is harmless, only that its command line shows nothing unusual.
func Risks(command string, args []string) []Risk {
	var all []Risk
	add := func(found bool, text, hint string) {
		if found {
			all = append(all, Risk{text, hint})
		}
	}
	name := programName(command)
	line := strings.Join(args, " ")
	shell := slices.Contains([]string{"sh", "bash", "zsh", "dash", "fish", "ksh", "cmd", "powershell", "pwsh"}, name)
	inline := shell && slices.ContainsFunc(args, func(a string) bool {
		return slices.Contains([]string{"-c", "-lc", "-ic", "-ec", "/c", "/k", "-command", "-encodedcommand", "-enc"}, strings.ToLower(a))
	})
	add(inline, "starts a shell with a script: "+name, "name the program itself, if the script only starts one")
	add(slices.Contains([]string{"sudo", "doas", "su", "runas", "pkexec"}, name) || inline && regexp.MustCompile(`\b(?:sudo|doas)\b`).MatchString(line),
		"runs with the rights of another user", "")
	add(regexp.MustCompile(`\b(?:curl|wget|iwr|irm|invoke-webrequest)\b[^|;&]*\|`).MatchString(strings.ToLower(line)), "runs what it downloads", "install the program first and name it")
	add(inline && regexp.MustCompile("&&|;|\\|\\||`|\\$\\(").MatchString(line), "chains several commands", "")
	add(command != "" && !path.IsAbs(command) && !regexp.MustCompile(`^[A-Za-z]:[\\/]`).MatchString(command) && strings.ContainsAny(command, `/\`),
		"the program is named by a relative path", "it is looked up in the directory of tollgate.yaml")
	if slices.Contains([]string{"docker", "podman", "nerdctl"}, name) {
		all = append(all, containerRisks(args)...)
	}
	if text, hint, found := unpinned(name, args); found {
		add(true, text, hint)
	}
	return all
}

// programName is the base name of a program in lower case, without the extensions of Windows.
func programName(command string) string {
	name := strings.ToLower(command[strings.LastIndexAny(command, `/\`)+1:])
	for _, ext := range []string{".exe", ".cmd", ".bat", ".ps1"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

// unpinned finds package runners that fetch whatever version is newest.
func unpinned(runner string, args []string) (text, hint string, found bool) {
	var pkg string
	switch runner {
	case "npx", "bunx", "pnpx":
		pkg = firstOperand(args, "-p", "--package", "-c", "--call", "--registry", "--cache", "--prefix")
	case "npm", "pnpm", "yarn", "bun":
		if len(args) < 2 || !slices.Contains([]string{"exec", "dlx", "x"}, args[0]) {
			return "", "", false
		}
		pkg = firstOperand(args[1:], "-p", "--package", "-c", "--call")
	case "uvx", "pipx":
		if runner == "pipx" {
			if len(args) == 0 || args[0] != "run" {
				return "", "", false
			}
			args = args[1:]
		}
		if from := flagValue(args, "--from", "--spec"); from != "" {
			pkg = from
		} else {
			pkg = firstOperand(args, "--with", "--python", "-p", "--index-url", "--index", "--default-index", "--directory")
		}
	case "dnx":
		pkg = firstOperand(args)
	default:
		return "", "", false
	}
	if pkg == "" || strings.Contains(pkg, "${") || pinned(pkg) || strings.HasPrefix(pkg, ".") || strings.HasPrefix(pkg, "/") {
		return "", "", false
	}
	return runner + " fetches the newest version of " + pkg + " at each start", "write the version: " + strings.TrimSuffix(pkg, "@latest") + pinExample(runner), true
}

func pinExample(runner string) string {
	if runner == "uvx" || runner == "pipx" {
		return "==VERSION"
	}
	return "@VERSION"
}

// pinned reports whether a package has an exact version or, for a repository, a revision.
func pinned(pkg string) bool {
	if _, version, ok := strings.Cut(pkg, "=="); ok && version != "" {
		return true
	}
	at := strings.LastIndexByte(pkg, '@')
	return at > 0 && regexp.MustCompile(`^v?[0-9][0-9A-Za-z.+-]*$|^[0-9a-f]{7,40}$`).MatchString(pkg[at+1:])
}

// firstOperand is the first argument that is no flag. valued lists the flags whose value is the next argument.
func firstOperand(args []string, valued ...string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case slices.Contains(valued, args[i]) && (args[i] == "-p" || args[i] == "--package") && i+1 < len(args):
			return args[i+1]
		case slices.Contains(valued, args[i]):
			i++
		case args[i] == "--":
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return ""
}

// flagValue is the value of the first of the flags, as "--flag value" or "--flag=value".
func flagValue(args []string, flags ...string) string {
	for i, a := range args {
		for _, f := range flags {
			if a == f && i+1 < len(args) {
				return args[i+1]
			}
			if v, ok := strings.CutPrefix(a, f+"="); ok {
				return v
			}
		}
	}
	return ""
}
