// SPDX-License-Identifier: Apache-2.0

// Package bridge translates between protocol generations: bytes of one era in, bytes of the other out, everything that
// needs no translation untouched and uncopied. It also holds what a question in the middle of a call needs.
//
// # Data flow
//
// A call's params go up with the client's declared capabilities ([Capabilities]); its result comes down through [Result], its JSON-RPC error through [Error]. What an upstream wants to
// see again, the state of a question or the id of a task, travels to the client and back sealed ([Sealer]).
//
// Who asks whom in the middle of a call:
//
//	client   upstream  how
//	modern   modern    the question is the result; only the upstream's state is sealed; nothing is kept here
//	modern   legacy    the upstream's call waits in the [Lot]; the question is the result, the answer comes with a retry
//	legacy   modern    the question of a result becomes a request on the call's stream; the call is repeated with the answers
//	legacy   legacy    the request is passed on, on the call's stream
//
// # Invariants
//
// Between peers of the same era the bytes of a result are the same slice. Towards an older peer only resultType, ttlMs
// and cacheScope are removed; towards a newer one only those three are added, and only when absent. The one exception is
// a cacheScope of "public", which becomes "private": roles decide who may read, and a cache knows of none.
//
// A sealed state is good for one caller, one request and a limited time. A waiting call ends when its client does not come
// back in time, and its number is bounded per caller.
package bridge
