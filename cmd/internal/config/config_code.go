// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// CodeMode is how tools are shown to models, and what their programs may do, see package codetools of the aggregator.
type CodeMode struct {
	Mode          string     `yaml:"mode" enum:"direct,search,code,auto" default:"direct" aka:"enabled,type" doc:"How clients are shown tools where neither their toolset nor a role says. direct: as they are. search: three tools that find, describe and call them. code: tools that find them, and one that runs programs which call them. auto: direct while the definitions are small, else code."`
	AutoTokens    int        `yaml:"auto_tokens" default:"8000" min:"1" max:"10000000" aka:"threshold,auto_threshold" doc:"Size of the definitions, in tokens, above which auto is code."`
	EmbedTokens   int        `yaml:"embed_tokens" default:"1500" max:"1000000" aka:"inline_tokens" doc:"Size of the types, in tokens, up to which the tool that runs programs says them itself, and nothing need be searched. 0: never."`
	Names         string     `yaml:"names" enum:"standard,files" default:"standard" aka:"naming,style" doc:"Names of the tools. standard: search_tools, read_tools, call_tool, execute_code. files: listToolFiles, readToolFile, callTool, executeToolCode."`
	Deterministic bool       `yaml:"deterministic" aka:"reproducible,frozen" doc:"Programs see a clock that stands still, and the same random numbers each time."`
	Limits        CodeLimits `yaml:"limits" aka:"limit,sandbox" doc:"What one program may use."`
}

// CodeLimits bound one program.
type CodeLimits struct {
	Source     Size          `yaml:"source" default:"64KiB" min:"1KiB" max:"1MiB" aka:"source_bytes,code" doc:"Largest program."`
	Result     Size          `yaml:"result" default:"64KiB" min:"1KiB" max:"16MiB" aka:"result_bytes,output" doc:"Largest result; more is cut off and marked."`
	Logs       Size          `yaml:"logs" default:"16KiB" min:"1" max:"1MiB" aka:"log,log_bytes,console" doc:"What is kept of its log."`
	Memory     Size          `yaml:"memory" default:"64MiB" min:"4MiB" max:"256MiB" aka:"memory_bytes,ram" doc:"Memory."`
	CPU        time.Duration `yaml:"cpu" default:"2s" min:"1ms" max:"2m" aka:"cpu_time" doc:"Time in which it computes, without waiting for tools."`
	Wall       time.Duration `yaml:"wall" default:"30s" min:"1ms" max:"2m" aka:"timeout,time,duration" doc:"Time from its beginning to its end."`
	Calls      int           `yaml:"calls" default:"100" min:"1" max:"100000" aka:"max_calls,tool_calls" doc:"Calls of tools."`
	Concurrent int           `yaml:"concurrent" default:"16" min:"1" max:"1000" aka:"concurrency,parallel" doc:"Calls of tools at the same time."`
	Spend      Money         `yaml:"spend" aka:"cost,budget,usd" doc:"USD that its calls may cost, for example $1. Default: what budgets allow."`
	Bytes      Size          `yaml:"bytes" min:"1KiB" max:"1GiB" aka:"result_total,bandwidth" doc:"Size of the results of all its calls. Default: no limit."`
}

// Codes reports whether anybody is shown tools otherwise than as they are.
func (c *Config) Codes() bool {
	uses := func(mode string) bool { return mode != "" && mode != "direct" }
	for _, r := range c.Roles {
		if uses(r.Mode) {
			return true
		}
	}
	for _, t := range c.Toolsets {
		if uses(t.Mode) {
			return true
		}
	}
	return uses(c.Code.Mode)
}
