// SPDX-License-Identifier: Apache-2.0

// Package catalog merges what all upstreams offer into one list of tools, prompts, resources and templates, and answers
// what one principal class sees of it.
//
// # Data flow
//
//	upstream snapshots, in config order
//	    │ Build          names and URIs dealt out, definitions spliced, templates compiled
//	    ▼
//	Snapshot             one immutable catalog per revision; [Entry] i of a kind is bit i of a [Visible]
//	    │ policy         once per principal class: one bit per entry (not in this package)
//	    ▼
//	View                 Visible ∩ Toolset: lookups, list pages, instructions, capabilities
//
// A [View] shares the index of its [Snapshot] and adds one bit per entry, so it is cheap to make. Its list pages are encoded
// at first use, one per page and era, and are the same bytes for every caller afterwards: a list is a lookup and one write,
// whatever the number of upstreams. A view and its pages live as long as its holder keeps them; a class that lists 10 000
// tools in one era holds some 6 MB.
//
// # Names and URIs
//
// The identity of an entry is its upstream and the upstream's own name or URI. How it is displayed is derived from that:
//
//   - tools and prompts are <prefix>__<name> ([DisplayName]). The name depends on nothing but these two, so it stays when
//     other upstreams come and go. No prefix contains "__" or ends with "_": the first "__" of a displayed name separates.
//   - under the prefix "" names are shown as they are and can clash. A name under a prefix is never lost to a bare one;
//     among bare names the first upstream in the configuration keeps the name. What loses is not shown and becomes a
//     [Problem] that names both upstreams and the way out.
//   - resources and templates keep their URI. When two upstreams have the same, the first in the configuration owns it and
//     the other is shown as <upstream>+<uri>, with "_" in the upstream's name turned into "-". Only the definition is
//     rewritten: links in results name resources as their upstream does.
//   - "ui://", the address of an MCP App, keeps its scheme, since hosts go by it: the later one is shown as
//     ui://<upstream>--<rest>, and _meta.ui.resourceUri and _meta["ui/resourceUri"] of that upstream's tools say so. Servers
//     may leave an app out of their list, so an address that only a tool names is dealt out too, and [Snapshot.App] knows
//     whose it is. A tool whose app finds no address is shown without it rather than with somebody else's.
//
// # Invariants
//
//   - What is shown is what the upstream sent, byte for byte, but for a replaced name or URI (TestDefinitionBytes,
//     TestAppClash). Both eras
//     get the same bytes: clients ignore members they do not know. The execution member of a tool of 2025-11-25 thus
//     reaches modern clients, to whom it means nothing.
//   - A hidden entry and a missing one get the same answer from every method of [View] (TestHiddenIsMissing). A resource that
//     is listed but hidden cannot be read through a template of the same upstream.
//   - The catalog depends on the sources alone, not on what came before (TestBuildIsAFunction), and lists are in the order of
//     displayed names (TestOrder).
//   - The policy decides on identities: neither a prefix nor an alias moves a permit (TestObjectIsIdentity).
//   - Definitions with two members of the same name are not shown: the gateway and a client could read different ones
//     (TestAmbiguousDefinition).
//
// # Why names under a prefix go before bare ones (2026-11-24)
//
// Strictly first come, first served in the order of the configuration would let an upstream without a prefix offer
// "github__delete_repo" and, standing first, take that name from the upstream github. Names under a prefix are promised to
// be stable; bare names are a convenience. Nothing is lost when no bare name contains another upstream's prefix.
//
// # Why originals that look hashed are hashed (2026-11-24)
//
// A name with characters outside the set is shown with "_" and 8 hex digits of its hash. An upstream could offer another
// tool that already has exactly this name. Hashing everything that ends like a hash keeps the two apart without looking at
// the other tools; the price is that "report_20240101" is shown with a hash. Under the prefix "" it is not, because there
// names are promised to stay as they are; a clash is found and reported instead.
//
// # Why a cursor is a name (2026-11-24)
//
// The catalog changes while clients page through it. A cursor that is an index would skip or repeat entries; one that is
// bound to a revision would have to fail. The name of the last entry shown continues correctly in any later catalog, and
// gives nothing away: whoever made it up sees only entries of the own view.
//
// # Why template matching is a regular expression (2026-11-24)
//
// uritemplate checks and translates templates; its own matcher allocates per character and per thread, which a long URI
// and a template of many variables turn into seconds. The expression it generates runs in linear time but takes any
// query parameter, so the names of {?a,b} are compared afterwards. Templates, variables and URIs are bounded.
package catalog
