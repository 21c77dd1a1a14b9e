// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"time"
)

// Role is what holders of a role may see and call. Patterns are globs over <kind>:<upstream>/<original name or URI>.
type Role struct {
	Includes    []string     `yaml:"includes" aka:"extends,inherits,include" doc:"Roles whose rules also apply."`
	Allow       []string     `yaml:"allow" aka:"tools" doc:"Patterns of what is visible, for example \"github/*\" or \"prompt:docs/*\"."`
	Deny        []string     `yaml:"deny" doc:"Patterns of what is hidden; wins over allow."`
	Constraints []Constraint `yaml:"constraints" aka:"constraint,arguments,args,restrict" doc:"Bounds on arguments of calls. They hold whatever other roles a caller has."`
	Obligations []Obligation `yaml:"obligations" aka:"obligation,redact,redactions,confirm" doc:"What the gateway does with calls and their results. They hold whatever other roles a caller has."`
	Limits      []Limit      `yaml:"limits" aka:"limit,quotas,rate_limits,rate,budgets" doc:"How much may be called. They hold whatever other roles a caller has."`
	Reports     string       `yaml:"reports" enum:"own,team,all" default:"own" aka:"analytics,report,costs,read_audit" doc:"Whose costs, usage and records holders may read over HTTP, beside their own: those of their team, or all."`
	Mode        string       `yaml:"mode" enum:"direct,search,code,auto" aka:"code,code_mode,codeMode" doc:"How holders are shown tools, see code.mode. Default: code.mode."`
	ActAs       *ActAs       `yaml:"act_as" aka:"actAs,impersonate,on_behalf_of,delegate" example:"{subjects: \"*@example.com\", roles: [reader]}" doc:"Lets holders, which are trusted programs, name the user they call for: with _meta[\"tollgate/act_as\"] = {user, role, team, org} in an MCP request, or with the headers Tollgate-User, Tollgate-Role, Tollgate-Team and Tollgate-Org. All but the user may be left out."`
}

// Constraint bounds the arguments of the calls that its patterns match.
type Constraint struct {
	For       []string                   `yaml:"for" scalar:"true" aka:"tools,tool,on,pattern,patterns,match,upstream" doc:"Patterns of what it is about. Default: everything."`
	Arguments map[string]json.RawMessage `yaml:"arguments" required:"name the arguments with a JSON Schema each, for example {region: {enum: [eu-west-1]}}" items:"1" keys:"^.{1,128}$" aka:"args,params,parameters,properties,argument" doc:"JSON Schema that the value of each argument must satisfy. Callers see it in the schema of the tool."`
	Optional  []string                   `yaml:"optional" scalar:"true" aka:"not_required" doc:"Those of arguments that a call may leave out."`
}

// Obligation is what the gateway owes on the calls that its patterns match.
type Obligation struct {
	_              struct{} `any:"redact,max_result_bytes,reason,confirm" hint:"say what to do with the calls"`
	For            []string `yaml:"for" scalar:"true" aka:"tools,tool,on,pattern,patterns,match,upstream" doc:"Patterns of what it is about. Default: everything."`
	Redact         []string `yaml:"redact" scalar:"true" items:"1" aka:"mask,hide,remove,redactions,paths" doc:"JSON pointers into results whose values are removed. * is any member or element, ** any number of levels. Text that is not JSON is removed too."`
	KeepText       bool     `yaml:"keep_text" aka:"keepText,text" doc:"With redact: keep text that is not JSON."`
	MaxResultBytes Size     `yaml:"max_result_bytes" min:"1" max:"1GiB" aka:"max_result,max_bytes,max_reply_bytes,result_cap" doc:"Largest result."`
	Reason         bool     `yaml:"reason" aka:"require_reason,justification" doc:"A call must say why, in an argument \"reason\"."`
	Confirm        string   `yaml:"confirm" min:"1" max:"1000" hint:"write one short question" aka:"ask,approve,approval,confirmation,prompt" doc:"Question that the user must answer with yes before the call."`
}

// Limit is one limit on the calls that its patterns match. Package limit of the policy says what the expressions may read.
type Limit struct {
	_              struct{}      `any:"require,rate,concurrency,cost,timeout,max_result_bytes" hint:"say what is limited, for example rate: 100/minute"`
	Name           string        `yaml:"name" min:"1" max:"100" hint:"use at most 100 characters" aka:"id,title" doc:"Name in refusals. Default: made of the role and the position."`
	For            []string      `yaml:"for" scalar:"true" aka:"tools,tool,on,pattern,patterns,upstream" doc:"Patterns of what it is about. Default: everything."`
	Match          Expr          `yaml:"match" aka:"when,if,cond,condition,where" doc:"CEL: whether the limit applies to a call. Default: always."`
	Require        Expr          `yaml:"require" aka:"check,assert,must,validate,requires" doc:"CEL that must be true for a call to go on."`
	Message        string        `yaml:"message" min:"1" max:"500" hint:"write one short sentence" aka:"msg,error,text" doc:"Sentence for the caller when require is false."`
	Rate           string        `yaml:"rate" pattern:"^[1-9][0-9]{0,9} ?/ ?[0-9A-Za-z. ]*[A-Za-z]$" hint:"write calls and a window, for example 100/minute or 5/10s" aka:"rpm,rps,calls,requests,quota,rate_limit,calls_per_minute" doc:"Calls in a window, for example 100/minute or 5/10s."`
	Per            []string      `yaml:"per" scalar:"true" items:"1" aka:"per_user,by,key,group_by,scope" doc:"What rate and concurrency are counted by: user, team, org, key, role, upstream, tool, all, or one CEL expression that is a string. Default: user."`
	Durable        bool          `yaml:"durable" aka:"persistent,persist,survive" doc:"What rate has counted still counts after a crash. Calls that it counts wait for the disk."`
	Concurrency    int           `yaml:"concurrency" min:"1" max:"1000000" aka:"max_concurrency,parallel,in_flight,max_parallel" doc:"Calls at the same time."`
	Cost           Expr          `yaml:"cost" aka:"price,usd,budget,cost_usd" doc:"CEL: the most a call can cost, in USD."`
	Settle         Expr          `yaml:"settle" aka:"actual,actual_cost,final_cost" doc:"CEL: what a call did cost, in USD; may read result. Needs cost."`
	Timeout        time.Duration `yaml:"timeout" min:"1ms" max:"24h" aka:"call_timeout,max_duration" doc:"Longest time of one call. Default: that of the upstream."`
	MaxResultBytes Size          `yaml:"max_result_bytes" min:"1" max:"1GiB" aka:"max_result,max_bytes,max_reply_bytes" doc:"Largest result."`
}

// ActAs is which users the holders of a role may name, and what beside them. A program names somebody with
// _meta["tollgate/act_as"] = {user, role, team, org} in an MCP request, or with the headers Tollgate-User, Tollgate-Role,
// Tollgate-Team and Tollgate-Org.
type ActAs struct {
	_        struct{} `any:"roles,subjects" hint:"subjects are the users that they may name, roles what they may give them"`
	Roles    []string `yaml:"roles" scalar:"true" items:"1" aka:"role" doc:"Roles that they may give a named user (role, or the header Tollgate-Role). Default: none, so only bindings do."`
	Subjects []string `yaml:"subjects" scalar:"true" items:"1" min:"1" aka:"subject,users,user" doc:"Users that may be named (user, or the header Tollgate-User); * stands for any text. Default: all."`
	Teams    []string `yaml:"teams" scalar:"true" items:"1" min:"1" aka:"team" doc:"Teams that may be named (team, or the header Tollgate-Team), beside their own; * stands for any text. Default: only their own."`
	Orgs     []string `yaml:"orgs" scalar:"true" items:"1" min:"1" aka:"org,organizations,organization,organisation,tenants,tenant" doc:"Organizations that may be named (org, or the header Tollgate-Org), beside their own; * stands for any text. Default: only their own."`
}

// Policy names Rego files beside the shipped ones, and what holds whatever the role.
type Policy struct {
	Files    []string `yaml:"files" scalar:"true" path:"true" aka:"file,paths" doc:"Rego files, directories of them, or patterns."`
	Data     []string `yaml:"data" scalar:"true" min:"1" path:"true" aka:"data_files,datafiles" doc:"JSON and YAML files that policies read under data."`
	Everyone Everyone `yaml:"everyone" aka:"all,default,defaults,global" doc:"What holds for every caller."`
	Scopes   []Scopes `yaml:"scopes" aka:"scope,required_scopes" doc:"OAuth scopes that calls need."`
	Shadow   *Shadow  `yaml:"shadow" aka:"candidate,dry_run,dryrun,canary" doc:"Candidate that decides every call too, without effect. What it would decide differently is recorded."`
	Bundle   *Bundle  `yaml:"bundle" aka:"bundles" doc:"OPA bundle with policies, signed by opa build --bundle --signing-key, or by opa sign; public_key checks it. The last good one is kept in the state directory, and used when the server is down at a start."`
}

// Everyone is what holds for every caller, with any roles or none.
type Everyone struct {
	Constraints []Constraint `yaml:"constraints" aka:"constraint,arguments,args,restrict" doc:"Bounds on arguments of calls."`
	Obligations []Obligation `yaml:"obligations" aka:"obligation,redact,redactions,confirm" doc:"What the gateway does with calls and their results."`
	Limits      []Limit      `yaml:"limits" aka:"limit,quotas,rate_limits,rate,budgets" doc:"How much may be called."`
}

// Scopes names the OAuth scopes that a call of what its patterns match needs.
type Scopes struct {
	For    []string `yaml:"for" scalar:"true" aka:"tools,tool,on,pattern,patterns,match,upstream" doc:"Patterns of what it is about. Default: everything."`
	Scopes []string `yaml:"scopes" required:"name the scopes" scalar:"true" items:"1" noun:"scope" pattern:"^[!#-\\[\\]-~]+$" hint:"write each scope on its own, without spaces and quotes" aka:"scope,require,requires" doc:"Scopes that an access token needs. Callers without a token are not asked."`
}

// Bundle is an OPA bundle, from a file or a server.
type Bundle struct {
	_         struct{}          `one:"file,url" hint:"name the file, or the URL it is fetched from"`
	File      string            `yaml:"file" min:"1" path:"true" aka:"path,bundle" doc:"The bundle, a .tar.gz file."`
	URL       Secret            `yaml:"url" aka:"uri,server,resource" doc:"Where the bundle is fetched from. May hold references."`
	Headers   map[string]Secret `yaml:"headers" keys:"^[!#$%&'*+.^_|~0-9A-Za-z-]+$" doc:"HTTP headers of the request. May hold references."`
	Every     time.Duration     `yaml:"every" min:"1s" max:"168h" aka:"poll,interval,polling,refresh" doc:"How often url is asked for a newer one. Default: 1m."`
	PublicKey string            `yaml:"public_key" min:"1" path:"true" aka:"key,publicKey,public_key_file,verification_key" doc:"PEM file with the key that the bundle is signed with. Without it signatures are not checked."`
	KeyID     string            `yaml:"key_id" min:"1" aka:"keyid,kid" doc:"Name of the key in the signature."`
	Algorithm string            `yaml:"algorithm" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512" aka:"alg,signing_algorithm" doc:"How it is signed. Default: RS256."`
	Scope     string            `yaml:"scope" min:"1" doc:"Scope that the signature must have."`
}

// Reveal returns what the bundle is fetched with, references replaced. It must not be printed or logged.
func (b *Bundle) Reveal() (url string, headers map[string]string) {
	return b.URL.Reveal(), revealAll(b.Headers)
}
