// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// errNoRegistration is the cause when an authorization server offers no way to become its client.
var errNoRegistration = errors.New("no client registration")

// configuredMethod chooses how a client with a secret of the configuration authenticates. Without a word of the server it is
// the default of RFC 8414.
func configuredMethod(secret string, meta *oauthex.AuthServerMeta) string {
	supported := meta.TokenEndpointAuthMethodsSupported
	switch {
	case secret == "":
		return methodNone
	case len(supported) == 0 || slices.Contains(supported, methodBasic):
		return methodBasic
	default:
		return methodPost
	}
}

// configured returns the client that the configuration names for this authorization server, nil when it is to be registered.
// A metadata document is used only where the server says that it reads them.
func (o *OAuth) configured(meta *oauthex.AuthServerMeta) *registration {
	switch {
	case o.ClientID != "":
		return &registration{Kind: kindConfigured, ID: o.ClientID, Secret: o.ClientSecret, Method: configuredMethod(o.ClientSecret, meta)}
	case o.ClientMetadataURL != "" && meta.ClientIDMetadataDocumentSupported:
		return &registration{Kind: kindMetadata, ID: o.ClientMetadataURL, Method: methodNone}
	}
	return nil
}

// usable reports whether a saved registration can log in again at redirect.
func (r *registration) usable(redirect string, now time.Time) bool {
	return r != nil && r.Kind == kindDynamic && r.Redirect == redirect && (r.Ends.IsZero() || now.Before(r.Ends))
}

// register makes the gateway a client by dynamic registration (RFC 7591).
func (t *authTransport) register(ctx context.Context, meta *oauthex.AuthServerMeta, name, redirect string) (*registration, error) {
	if meta.RegistrationEndpoint == "" {
		return nil, errNoRegistration
	}
	asked := &oauthex.ClientRegistrationMetadata{
		ClientName: name, RedirectURIs: []string{redirect}, ApplicationType: "native",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
	}
	// A program on somebody's machine is a public client; a secret is taken where the server wants one.
	for _, method := range []string{methodNone, methodPost, methodBasic} {
		if slices.Contains(meta.TokenEndpointAuthMethodsSupported, method) {
			asked.TokenEndpointAuthMethod = method
			break
		}
	}
	answer, err := oauthex.RegisterClient(ctx, meta.RegistrationEndpoint, asked, t.client())
	if err != nil {
		if refused, ok := errors.AsType[*oauthex.ClientRegistrationError](err); ok {
			return nil, &refusedError{400, errorCode(refused.ErrorCode)}
		}
		return nil, errors.New("client registration failed") // err holds what the server sent, which may be a secret
	}
	r := &registration{
		Kind: kindDynamic, ID: answer.ClientID, Secret: answer.ClientSecret, Redirect: redirect,
		Method: answer.TokenEndpointAuthMethod, Ends: answer.ClientSecretExpiresAt,
	}
	if r.Method == "" {
		r.Method = asked.TokenEndpointAuthMethod
	}
	switch {
	case r.Method == methodNone || r.Secret == "":
		r.Method, r.Secret = methodNone, ""
	case r.Method == "":
		r.Method = methodBasic // the default of RFC 7591
	case r.Method != methodBasic && r.Method != methodPost:
		return nil, errNoRegistration // a way to authenticate that is not known here
	}
	return r, nil
}
