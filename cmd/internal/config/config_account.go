// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Budget is a limit on what calls may cost in a period, see package limit of the policy. Calls are charged what the cost of
// their limits says.
type Budget struct {
	Name   string   `yaml:"name" required:"callers are told it, and commands take it, for example \"marketing-month\"" pattern:"^[A-Za-z0-9._-]{1,64}$" hint:"use letters, digits, \"-\", \"_\" and \".\", at most 64 characters" aka:"id,title" doc:"Unique name, in refusals and for commands. Under another name it starts anew."`
	Org    string   `yaml:"org" min:"1" aka:"orgs,organization,organisation,tenant" doc:"Only calls of this organization."`
	Team   string   `yaml:"team" min:"1" aka:"teams,role,roles" doc:"Only calls of this team."`
	User   string   `yaml:"user" min:"1" aka:"users,subject,subjects,principal,email" doc:"Only calls of this user."`
	Key    string   `yaml:"key" min:"1" aka:"keys,api_key,key_id" doc:"Only calls with this API key, by its id."`
	For    []string `yaml:"for" scalar:"true" aka:"tools,tool,on,pattern,patterns,match,upstream" doc:"Patterns of what it is about. Default: everything."`
	Per    []string `yaml:"per" scalar:"true" items:"1" noun:"word" enum:"org,team,user,key,tool,upstream,all" aka:"by,group_by,scope,per_user" doc:"Each of these has the limit for itself: org, team, user, key, tool or upstream, or several together. Default: all, one account for all calls."`
	Limit  Money    `yaml:"limit" required:"write USD, for example $100" aka:"amount,max,max_budget,budget,usd,cost,value" doc:"USD that the calls of a period may cost, for example $100 or 0.5."`
	Period string   `yaml:"period" required:"write day, week or month, or a rolling window, for example 24h" pattern:"^(?:day|week|month|(?:[0-9]+(?:\\.[0-9]+)?(?:s|m|h|d))+)$" hint:"write day, week or month, or a rolling window, for example \"24h\" or \"30d\"" aka:"window,interval,every,reset,duration,budget_duration" doc:"How long the limit is for: a day, week (from Monday) or month of the calendar, or a rolling window such as 24h or 30d."`
	Zone   string   `yaml:"zone" min:"1" aka:"timezone,tz,time_zone" doc:"IANA time zone in which a period begins, for example Europe/Berlin. Default: timezone."`
	Warn   []Share  `yaml:"warn" scalar:"true" items:"1" aka:"warning,warnings,alert,alerts,thresholds,threshold,soft_limit,notify" doc:"Shares of the limit at which an alert is due, for example [50%, 80%]."`
}

// Audit is how calls are recorded, see package aggregator.
type Audit struct {
	Durability  string        `yaml:"durability" enum:"auto,strict,durable,async" default:"auto" aka:"class,fsync,sync,mode" doc:"When records are on disk. strict: before the upstream is asked, and before the answer. durable: before the answer. async: soon; a crash loses the last ones. auto: strict, but async for what only reads."`
	Arguments   string        `yaml:"arguments" enum:"full,digest" default:"full" aka:"args,params,redaction,level" doc:"What records keep of arguments: all of them, or a digest."`
	ReadOnly    []string      `yaml:"read_only" scalar:"true" aka:"readonly,readOnly,reads,trusted,trust" doc:"Patterns of tools that are trusted when they say readOnlyHint: async in auto, and nothing is charged when a crash cuts a call off."`
	Rules       []AuditRule   `yaml:"rules" aka:"rule,overrides,exceptions,for" doc:"Exceptions. The first rule about a call that has durability counts, and the first that has arguments or redact."`
	Retention   time.Duration `yaml:"retention" min:"24h" max:"36500d" hint:"write days, for example \"400d\"" aka:"keep,keep_for,max_age,ttl,days" doc:"How long records are kept, for example 400d. Default: for ever."`
	Checkpoints Checkpoints   `yaml:"checkpoints" aka:"checkpoint,signing,anchors" doc:"Signed statements of what is in the log. Copies that are kept elsewhere show when records are taken away."`
}

// AuditRule is how some calls are recorded differently.
type AuditRule struct {
	_          struct{} `any:"durability,arguments,redact" hint:"say what is different for these calls"`
	For        []string `yaml:"for" scalar:"true" aka:"tools,tool,on,pattern,patterns,match,upstream" doc:"Patterns of what it is about. Default: everything."`
	Durability string   `yaml:"durability" enum:"auto,strict,durable,async" aka:"class,fsync,sync,mode" doc:"When records are on disk, see audit.durability."`
	Arguments  string   `yaml:"arguments" enum:"full,redacted,digest" aka:"args,params,redaction,level" doc:"What records keep of arguments: all, all but the values that redact names, or a digest."`
	Redact     []string `yaml:"redact" scalar:"true" items:"1" min:"1" aka:"mask,hide,remove,redactions,paths" doc:"JSON pointers into arguments whose values are not recorded. * is any member or element, ** any number of levels. Makes arguments redacted."`
}

// Checkpoints are made by time or by records, whichever is first.
type Checkpoints struct {
	Every     time.Duration `yaml:"every" default:"1m" min:"1s" max:"24h" aka:"interval,period" doc:"How often one is made when there are new records."`
	Records   int           `yaml:"records" default:"10000" min:"1" max:"1000000000" aka:"count,each" doc:"After how many records one is made in any case."`
	Directory string        `yaml:"directory" min:"1" path:"true" aka:"dir,path,folder" doc:"Directory that gets a copy of each, best on another disk."`
	Webhook   Secret        `yaml:"webhook" aka:"url,endpoint" doc:"URL that each is sent to. May hold references."`
}

// Alerts are what is told to whom, see package alert of the policy.
type Alerts struct {
	Rules []AlertRule `yaml:"rules" aka:"rule,conditions,when" doc:"What there is an alert for."`
	Sinks []Sink      `yaml:"sinks" aka:"sink,receivers,receiver,targets,channels,notify,webhooks" doc:"Who is told."`
}

// AlertRule is a condition under which there is an alert.
type AlertRule struct {
	Name     string        `yaml:"name" required:"receivers tell alerts apart by it, for example \"budget\"" min:"1" max:"100" hint:"use at most 100 characters" aka:"id,title,alert" doc:"Unique name."`
	When     Expr          `yaml:"when" required:"write CEL, for example budget.used_ratio >= 0.8" aka:"if,expr,condition,cond,match,where" doc:"CEL over budget, calls, upstream, ledger and now: true while there is reason for an alert."`
	For      time.Duration `yaml:"for" max:"168h" aka:"hold,pending,during" doc:"How long when must be true without a break. Default: 0s, at once."`
	Cooldown time.Duration `yaml:"cooldown" min:"1s" max:"720h" aka:"repeat,interval,silence,throttle" doc:"For how long no second alert of the rule follows about the same thing. Default: 5m."`
	Severity string        `yaml:"severity" enum:"info,warning,error,critical" aka:"level,priority" doc:"How urgent it is. Default: warning."`
	Summary  string        `yaml:"summary" min:"1" max:"500" hint:"write one short sentence" aka:"message,text,description,title" doc:"What receivers are told; {budget.name} is the value of a variable. Default: the name of the rule, and what it is about."`
}

// Sink is somebody who is told of alerts, see package alert of the aggregator.
type Sink struct {
	Name        string `yaml:"name" required:"give it a unique name, for example \"ops\"" min:"1" max:"100" hint:"use at most 100 characters" aka:"id,title" doc:"Unique name."`
	Type        string `yaml:"type" required:"write webhook, slack, pagerduty or alertmanager" enum:"webhook,slack,pagerduty,alertmanager" aka:"kind,format,provider" doc:"In which form it is told."`
	URL         Secret `yaml:"url" aka:"uri,webhook,webhook_url,endpoint,address" doc:"Where alerts are sent to. Default of pagerduty: its Events API. May hold references."`
	Secret      Secret `yaml:"secret" aka:"key,hmac,signing_key,signing_secret" doc:"What a webhook is signed with, or the bearer token of alertmanager. A reference, for example ${env:ALERT_SECRET}."`
	RoutingKey  Secret `yaml:"routing_key" aka:"routingKey,integration_key,service_key" doc:"Integration key of pagerduty. A reference, for example ${env:PAGERDUTY_KEY}."`
	MinSeverity string `yaml:"min_severity" enum:"info,warning,error,critical" aka:"severity,min_level,level" doc:"Least urgent alerts that it is told. Default: info, so all."`
}

// Shadow is a candidate policy that decides every call too, without effect.
type Shadow struct {
	_     struct{} `any:"files,data" hint:"say what of the policy is different"`
	Files []string `yaml:"files" scalar:"true" items:"1" path:"true" aka:"file,paths" doc:"Rego files of the candidate, in place of policy.files. Default: those."`
	Data  []string `yaml:"data" scalar:"true" items:"1" min:"1" path:"true" aka:"data_files,datafiles" doc:"JSON and YAML files that the candidate reads under data, in place of policy.data. Default: those."`
}
