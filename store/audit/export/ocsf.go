// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"tollgate/store/audit"
)

// ocsfVersion is the version of the schema that events follow.
const ocsfVersion = "1.9.0"

// productName names the program in events.
const productName = "Tollgate"

// class is an event class of OCSF.
type class struct {
	uid, category            int
	caption, categoryCaption string
	activity                 int
	activityCaption          string
}

// activityOther is the activity of what no class names; its caption is our own word.
const activityOther = 99

// typeCaption is the name of type_uid.
func (c *class) typeCaption() string {
	if c.activity == activityOther {
		return c.caption + ": Other"
	}
	return c.caption + ": " + c.activityCaption
}

// appendEvent appends the event of a record, in its canonical form. It depends on nothing but the record and the options, so
// that the same record is the same event in every export.
func (m *mapper) appendEvent(dst []byte, e *entry) []byte {
	c := e.class()
	event := m.event(e, &c)
	switch {
	case c.uid == classAPI && e.rec.Kind == audit.Admin:
		m.admin(event, e)
	case c.uid == classAPI:
		m.call(event, e)
	case c.uid == classLifecycle:
		event["app"] = m.product()
	}
	m.attest(event, e)
	return append(appendCanonical(dst, event), '\n')
}

// mapper makes OCSF events.
type mapper struct{ Options }

// event is what every event has.
func (m *mapper) event(e *entry, c *class) object {
	r := e.rec
	id, status := e.status()
	event := object{
		"activity_id": c.activity, "category_uid": c.category, "class_uid": c.uid, "type_uid": c.uid*100 + c.activity,
		"severity_id": int(e.grade()), "status_id": id, "time": r.Time.UnixMilli(), "timezone_offset": 0,
	}
	event.text("activity_name", c.activityCaption).text("category_name", c.categoryCaption).text("class_name", c.caption)
	event.text("type_name", c.typeCaption()).text("severity", e.grade().caption()).text("status", status)
	event.text("status_code", cmp.Or(r.Code, r.End)).text("status_detail", cmp.Or(r.Sentence, r.Error, r.Detail)).text("message", e.summary())
	event["metadata"] = m.metadata(e, c)
	raw := sha256.Sum256(e.text)
	event["raw_data"], event["raw_data_size"] = string(e.text), len(e.text)
	event["raw_data_hash"] = fingerprint(hashSHA256, "SHA-256", serialFlat, "Flat", raw[:])
	event["unmapped"] = e.unmapped()
	return event
}

func (m *mapper) metadata(e *entry, c *class) object {
	profiles := []any{"record_integrity"}
	if c.uid == classAPI {
		profiles = append(profiles, "security_control")
	}
	o := object{
		"version": ocsfVersion, "product": m.product(), "profiles": profiles, "uid": m.uid(e.seq), "original_event_uid": strconv.FormatUint(e.seq, 10),
		"log_provider": productName, "log_format": "JSON", "log_version": strconv.Itoa(e.rec.Version), "event_code": string(e.rec.Kind),
	}
	o.text("log_name", cmp.Or(m.Origin, "audit")).text("log_source", e.rec.Node).text("tenant_uid", e.of.Org)
	o["sequence"] = int64(e.seq)
	if e.aboutCall() {
		o.text("correlation_uid", e.rec.ID)
	}
	return o
}

func (m *mapper) product() object {
	return object{"name": productName, "vendor_name": productName}.text("version", m.Version)
}

// uid names a record in all the world.
func (m *mapper) uid(seq uint64) string {
	return cmp.Or(m.Origin, "audit") + "/" + strconv.FormatUint(seq, 10)
}

// call adds who asked for what, and what came of it.
func (m *mapper) call(event object, e *entry) {
	r := e.rec
	user := object{}.text("uid", e.of.User).text("name", e.of.User)
	if len(user) == 0 {
		user["name"] = "unknown"
	}
	if e.of.Org != "" {
		user["org"] = object{"name": e.of.Org}
	}
	if e.of.Team != "" {
		user["groups"] = []any{object{"name": e.of.Team, "type": "team"}}
	}
	if e.of.Key != "" {
		user["programmatic_credentials"] = []any{object{"uid": e.of.Key, "type": "API Key"}}
	}
	event["actor"] = object{"user": user}.text("app_name", e.in.Client.Name)
	request := object{"uid": r.ID}.json("data", e.in.Arguments)
	api := object{"operation": e.what(), "request": request, "service": object{"name": cmp.Or(e.of.Upstream, productName)}}
	if response := e.response(); len(response) > 0 {
		api["response"] = response
	}
	event["api"] = api
	event["src_endpoint"] = object{"svc_name": cmp.Or(e.of.Origin, "unknown")}.text("ip", e.in.SourceIP)
	if uri := cmp.Or(e.of.Tool, e.of.Name); uri != "" {
		resource := object{"name": cmp.Or(e.of.Name, uri), "role_id": 1, "role": "Target"}.text("type", e.of.Kind)
		resource.text("namespace", e.of.Upstream).text("uid", strings.TrimPrefix(e.of.Upstream+"/"+uri, "/"))
		event["resources"] = []any{resource}
	}
	m.control(event, e)
	if r.Rule != "" || r.Revision != "" {
		event["policy"] = object{"uid": cmp.Or(r.Revision, r.Rule), "is_applied": r.Kind != audit.Shadow}.text("name", r.Rule).text("version", r.Revision)
	}
}

// response is what the caller got, nothing for what is not over.
func (e *entry) response() object {
	r := e.rec
	o := object{}
	if r.Kind != audit.Outcome && r.Kind != audit.Refusal {
		return o
	}
	if id, _ := e.status(); id == statusFailure || id == statusUnknown {
		o.text("error", cmp.Or(r.Code, r.End)).text("error_message", cmp.Or(r.Sentence, r.Error, r.Detail))
	}
	o.text("message", cmp.Or(r.Sentence, r.End))
	if data := (object{}).number("bytes", r.Bytes).text("sha256", r.Result); len(data) > 0 {
		o["data"] = data
	}
	return o
}

// control adds what the gateway made of the request.
func (m *mapper) control(event object, e *entry) {
	set := func(action int, actionCaption string, disposition int, dispositionCaption string) {
		event["action_id"], event["action"] = action, actionCaption
		event["disposition_id"], event["disposition"] = disposition, dispositionCaption
	}
	switch {
	case e.denied():
		set(2, "Denied", 2, "Blocked")
	case e.rec.Kind == audit.Refusal:
		set(2, "Denied", 27, "Error")
	case e.rec.Kind == audit.Shadow:
		set(3, "Observed", 17, "Logged")
	default:
		set(1, "Allowed", 1, "Allowed")
	}
}

// admin adds who changed what. Of a caller that wanted to act for somebody else, the actor is that caller.
func (m *mapper) admin(event object, e *entry) {
	r := e.rec
	user := object{"name": cmp.Or(r.Actor, "unknown"), "type_id": 2, "type": "Admin"}.text("uid", r.Actor)
	if e.denied() {
		user["type_id"], user["type"] = 1, "User"
	}
	event["actor"] = object{"user": user}
	event["api"] = object{
		"operation": e.what(), "service": object{"name": productName}, "request": object{"uid": r.ID}.json("data", r.Details),
	}
	event["src_endpoint"] = object{"svc_name": "operator"}.text("hostname", r.Node)
	if r.Target != "" {
		event["resources"] = []any{object{"name": r.Target, "role_id": 1, "role": "Target"}.text("type", e.subject())}
	}
	m.control(event, e)
}

// attest adds what the profile record_integrity wants: that the log holds the record, at which place of its hash tree, and
// the fingerprint of the event itself. Neither has a signature: `tollgate audit prove` has, for the record.
func (m *mapper) attest(event object, e *entry) {
	leaf := e.leafHash()
	record := object{"uid": m.uid(e.seq), "fingerprint": fingerprint(hashOther, "RFC 6962 leaf hash with SHA-256", serialOther, "raw_data", leaf[:])}
	record.text("chain_uid", m.Origin).text("authority_uid", m.Key)
	if e.seq > 0 {
		record["prev_event"] = object{"uid": m.uid(e.seq - 1)}
	}
	whole := object{"uid": m.uid(e.seq) + "#event"}
	event["attestation_list"] = []any{record, whole}
	sum := sha256.Sum256(appendCanonical(nil, event))
	whole["fingerprint"] = fingerprint(hashSHA256, "SHA-256", serialJCS, "JCS", sum[:])
}

// The algorithm_id and serialization_id of fingerprints.
const (
	hashSHA256  = 3
	hashOther   = 99
	serialFlat  = 1
	serialJCS   = 2
	serialOther = 99
)

func fingerprint(algorithm int, algorithmCaption string, serial int, serialCaption string, sum []byte) object {
	return object{
		"algorithm_id": algorithm, "algorithm": algorithmCaption, "encoding_id": 1, "encoding": "Hex",
		"serialization_id": serial, "serialization": serialCaption, "value": hex.EncodeToString(sum),
	}
}

// unmapped is what the schema has no place for. The record as a whole is in raw_data.
func (e *entry) unmapped() object {
	r := e.rec
	o := object{"kind": string(r.Kind)}
	o.text("class", string(r.Class)).text("end", r.End).text("reason", r.Reason).text("detail", r.Detail).text("error", r.Error)
	o.text("method", r.Method).text("action", r.Action).text("continues", r.Continues).text("idempotency", r.Idempotency).text("target", r.Target)
	o.number("microseconds", r.Micros).number("retry_ms", r.Retry).number("orphans", int64(r.Orphans)).number("bytes", r.Bytes)
	o.text("client_version", e.in.Client.Version).text("origin", e.of.Origin)
	for name, n := range map[string]int64{"cost_usd": r.Cost, "overrun_usd": r.Overrun} {
		if n != 0 {
			o[name] = usd(n)
		}
	}
	if !r.Began.IsZero() {
		o["began"] = r.Began.UTC().Format(time.RFC3339Nano)
	}
	if r.Open {
		o["open"] = true
	}
	if r.Unclean {
		o["unclean"] = true
	}
	if r.Arguments != nil {
		o.text("arguments_kept", r.Arguments.Level).text("arguments_digest", r.Arguments.Digest)
	}
	if r.Script != nil {
		o["script"] = object{"execution": r.Script.Execution, "program": r.Script.Program}.number("seq", int64(r.Script.Seq))
	}
	if r.Kind != audit.Admin {
		o.json("details", r.Details)
	}
	e.money(o)
	return o
}

// money adds what was held and moved.
func (e *entry) money(o object) {
	r := e.rec
	if r.Reserve != nil && r.Reserve.Cost != 0 {
		o["reserved_usd"] = usd(r.Reserve.Cost)
	}
	if r.Reserve != nil && len(r.Reserve.Charges) > 0 {
		var charges []any
		for _, c := range r.Reserve.Charges {
			charges = append(charges, object{"budget": c.Budget}.text("account", c.Account))
		}
		o["charges"] = charges
	}
	if l := r.Lease; l != nil {
		o["lease"] = object{"action": l.Action, "amount_usd": usd(l.Amount), "budget": l.Of.Budget}.text("account", l.Of.Account)
	}
}
