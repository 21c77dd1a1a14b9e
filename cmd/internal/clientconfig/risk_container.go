// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"regexp"
	"slices"
	"strings"
)

// containerRisks looks at the arguments of "docker run" and its relatives.
func containerRisks(args []string) []Risk {
	var all []Risk
	for i, a := range args {
		flag, value, joined := strings.Cut(a, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch flag {
		case "--privileged":
			all = append(all, Risk{"the container has all rights of the machine (--privileged)", ""})
		case "-v", "--volume":
			all = append(all, mountRisk(strings.Split(value, ":")[0])...)
		case "--mount":
			if m := regexp.MustCompile(`(?:src|source)=([^,]*)`).FindStringSubmatch(value); m != nil {
				all = append(all, mountRisk(m[1])...)
			}
		case "--network", "--net":
			if value == "host" {
				all = append(all, Risk{"the container uses the network of the machine (--network host)", ""})
			}
		case "--pid", "--ipc", "--userns":
			if value == "host" {
				all = append(all, Risk{"the container shares a namespace with the machine (" + flag + " host)", ""})
			}
		case "--cap-add":
			all = append(all, Risk{"the container has additional rights (--cap-add " + value + ")", ""})
		}
	}
	if image := containerImage(args); image != "" && !strings.Contains(image, "@sha256:") && !strings.Contains(image, "${") {
		tag := image[strings.LastIndexByte(image, '/')+1:]
		if _, version, ok := strings.Cut(tag, ":"); !ok || version == "latest" {
			all = append(all, Risk{"the image has no version: " + image, "write a tag or, better, a digest: " + strings.TrimSuffix(image, ":latest") + "@sha256:..."})
		}
	}
	return all
}

// mountRisk notes directories that hand the machine to the container.
func mountRisk(source string) []Risk {
	clean := strings.TrimRight(strings.ReplaceAll(source, `\`, "/"), "/")
	switch {
	case strings.HasSuffix(clean, "docker.sock") || strings.HasSuffix(clean, "podman.sock"):
		return []Risk{{"the container controls the container engine (" + source + ")", ""}}
	case clean == "" && source != "" || regexp.MustCompile(`^[A-Za-z]:$`).MatchString(clean):
		return []Risk{{"the container sees the whole file system (" + source + ")", "mount only the directory it needs"}}
	case slices.Contains([]string{"/etc", "/root", "/home", "/Users", "/var", "/usr", "~", "$HOME", "${env:HOME}", "${env:USERPROFILE}"}, clean) ||
		strings.HasSuffix(clean, "/.ssh") || strings.HasSuffix(clean, "/.aws"):
		return []Risk{{"the container sees " + source, "mount only the directory it needs"}}
	}
	return nil
}

// containerImage is the image of "run", "" when the command line has another form.
func containerImage(args []string) string {
	run := slices.Index(args, "run")
	if run < 0 {
		return ""
	}
	valued := []string{"-e", "--env", "--env-file", "-v", "--volume", "--mount", "--name", "--network", "--net", "-p", "--publish", "-u", "--user", "-w", "--workdir",
		"--entrypoint", "-l", "--label", "--add-host", "--platform", "--memory", "-m", "--cpus", "--cap-add", "--cap-drop", "--security-opt", "--pull", "--pid", "--ipc", "--userns", "--tmpfs", "-h", "--hostname", "--gpus", "--device"}
	for i := run + 1; i < len(args); i++ {
		switch {
		case slices.Contains(valued, args[i]):
			i++
		case strings.HasPrefix(args[i], "-"):
		default:
			return args[i]
		}
	}
	return ""
}
