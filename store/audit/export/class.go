// SPDX-License-Identifier: Apache-2.0

package export

import (
	"strings"

	"tollgate/store/audit"
)

// The class_uid of OCSF.
const (
	classBase      = 0
	classLifecycle = 6002
	classAPI       = 6003
)

// class says which event a record becomes. What is neither a request nor done by somebody nor the life of the process is a
// base event, and so is a kind that this program does not know.
func (e *entry) class() class {
	const application = "Application Activity"
	switch r := e.rec; {
	case e.aboutCall():
		id, caption := e.callActivity()
		return class{classAPI, 6, "API Activity", application, id, caption}
	case r.Kind == audit.Admin:
		id, caption := adminActivity(r.Action)
		return class{classAPI, 6, "API Activity", application, id, caption}
	case r.Kind == audit.Start:
		return class{classLifecycle, 6, "Application Lifecycle", application, 3, "Start"}
	case r.Kind == audit.Stop:
		return class{classLifecycle, 6, "Application Lifecycle", application, 4, "Stop"}
	}
	return class{classBase, 0, "Base Event", "Uncategorized", activityOther, e.what()}
}

// callActivity is what a request does. A tool says itself whether it only reads, and nobody has verified it: it is a call.
func (e *entry) callActivity() (id int, caption string) {
	switch {
	case e.of.Kind == "tool" || e.rec.Method == "tools/call":
		return activityOther, "Call"
	case e.of.Kind != "" || e.rec.Method != "":
		return 2, "Read"
	}
	return activityOther, "Other"
}

// adminActivity goes by the verb of an action such as key.create.
func adminActivity(action string) (id int, caption string) {
	verb := action[strings.LastIndexByte(action, '.')+1:]
	switch verb {
	case "create", "login":
		return 1, "Create"
	case "logout", "delete", "remove":
		return 4, "Delete"
	case "set", "raise", "reset", "configure", "reload", "rotate", "revoke", "approve":
		return 3, "Update"
	case "":
		return activityOther, "Other"
	}
	return activityOther, verb
}

// subject is what an admin action is about: key of key.create.
func (e *entry) subject() string {
	about, _, _ := strings.Cut(e.rec.Action, ".")
	return about
}
