// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"slices"
	"strings"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/policy/limit"
)

// PolicyRoles are the roles as package policy takes them. Positions of what it says about them are at "roles.<name>.<field>[i]",
// see [Config.At].
func (c *Config) PolicyRoles() map[string]policy.Role {
	roles := make(map[string]policy.Role, len(c.Roles))
	for name, r := range c.Roles {
		roles[name] = policy.Role{
			Includes: r.Includes, Allow: c.withOwn(r.Allow), Deny: r.Deny,
			Constraints: constraintRules(r.Constraints), Obligations: obligationRules(r.Obligations), Limits: limitRules(r.Limits),
		}
	}
	return roles
}

// withOwn are the patterns of a role with those of the gateway's own tools, where anybody is shown them. What they call is
// decided by itself; deny takes them away too.
func (c *Config) withOwn(allow []string) []string {
	if !c.Codes() {
		return allow
	}
	return append(slices.Clone(allow), "tool:"+aggregator.OwnUpstream+"/*")
}

// Everyone is what holds for every principal. Positions are at "policy.everyone.<field>[i]".
func (c *Config) Everyone() policy.Role {
	e := &c.Policy.Everyone
	return policy.Role{Constraints: constraintRules(e.Constraints), Obligations: obligationRules(e.Obligations), Limits: limitRules(e.Limits)}
}

// Scopes are the OAuth scopes that calls need. Positions are at "policy.scopes[i]".
func (c *Config) Scopes() []policy.ScopeRule {
	var rules []policy.ScopeRule
	for _, s := range c.Policy.Scopes {
		rules = append(rules, policy.ScopeRule{For: s.For, Scopes: s.Scopes})
	}
	return rules
}

// LimitRules are all limits, those of everyone first. Positions are at "roles.<name>.limits[i].<field>" and
// "policy.everyone.limits[i].<field>".
func (c *Config) LimitRules() []limit.Rule {
	var rules []limit.Rule
	add := func(role string, limits []Limit) {
		for i, r := range limitRules(limits) {
			rules = append(rules, limit.Rule{Role: role, Index: i, LimitRule: r})
		}
	}
	add("", c.Policy.Everyone.Limits)
	for name, r := range sorted(c.Roles) {
		add(name, r.Limits)
	}
	return rules
}

// Resource is the URL that access tokens are made for: auth.oauth.resource, or the endpoint under public_url, or under listen.
func (c *Config) Resource() string {
	if o := c.Auth.OAuth; o != nil && o.Resource != "" {
		return o.Resource
	}
	if c.PublicURL != "" {
		return strings.TrimRight(c.PublicURL, "/") + "/mcp"
	}
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(c.Listen) // checked by listen
	return scheme + "://" + net.JoinHostPort(host, port) + "/mcp"
}

func constraintRules(constraints []Constraint) []policy.ConstraintRule {
	var rules []policy.ConstraintRule
	for _, r := range constraints {
		rules = append(rules, policy.ConstraintRule{For: r.For, Arguments: r.Arguments, Optional: r.Optional})
	}
	return rules
}

func obligationRules(obligations []Obligation) []policy.ObligationRule {
	var rules []policy.ObligationRule
	for _, r := range obligations {
		rules = append(rules, policy.ObligationRule{
			For: r.For, Redact: r.Redact, KeepText: r.KeepText, MaxResultBytes: int64(r.MaxResultBytes), Reason: r.Reason, Confirm: r.Confirm,
		})
	}
	return rules
}

func limitRules(limits []Limit) []policy.LimitRule {
	var rules []policy.LimitRule
	for _, r := range limits {
		rules = append(rules, policy.LimitRule{
			Name: r.Name, For: r.For, Match: string(r.Match), Require: string(r.Require), Message: r.Message, Rate: r.Rate, Per: r.Per,
			Durable: r.Durable, Concurrency: r.Concurrency, Cost: string(r.Cost), Settle: string(r.Settle), Timeout: r.Timeout,
			MaxResultBytes: int64(r.MaxResultBytes),
		})
	}
	return rules
}
