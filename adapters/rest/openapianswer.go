package rest

import (
	"net/http"
	"strconv"

	"capd/engine/plan"
)

// responses gives the answers of all variants, and failures.
func (d *describer) responses(variants []*variant) object {
	var order []string
	descriptions := map[string]string{}
	contents := map[string]*medias{}
	upstream := false
	for _, v := range variants {
		upstream = upstream || v.signature.Upstream
		for _, a := range v.signature.Answers {
			if contents[a.Status] == nil {
				order = append(order, a.Status)
				contents[a.Status] = &medias{}
			}
			descriptions[a.Status] = firstText(descriptions[a.Status], a.Description)
			for _, c := range a.Content {
				schema := c.Schema
				if c.Written {
					schema = soundSchema(schema)
				}
				contents[a.Status].add(c.MediaType, schema)
			}
		}
	}
	var out object
	for _, status := range order {
		out.set(status, object{{"description", firstText(descriptions[status], statusText(status))}, {"content", contents[status].content()}})
	}
	name := problemName
	if upstream {
		name, d.failure = failureName, true
	} else {
		d.problem = true
	}
	out.set("default", object{{"$ref", "#/components/responses/" + name}})
	return out
}

func statusText(status string) string {
	if n, err := strconv.Atoi(status); err == nil {
		return firstText(http.StatusText(n), "Status "+status)
	}
	return map[byte]string{'1': "Informational", '2': "Success", '3': "Redirection", '4': "The caller's mistake", '5': "A failure"}[status[0]]
}

// components gives what operations refer to.
func (d *describer) components() object {
	var schemas, responses, schemes object
	ref := object{{"schema", object{{"$ref", "#/components/schemas/" + problemName}}}}
	if d.problem {
		responses.set(problemName, object{{"description", "What went wrong."}, {"content", object{{"application/problem+json", ref}}}})
	}
	if d.failure {
		responses.set(failureName, object{
			{"description", "What went wrong: a problem, or the upstream's own answer as it came."},
			{"content", object{{"application/problem+json", ref}, {"*/*", object{}}}},
		})
	}
	if d.problem || d.failure {
		schemas.set(problemName, problemSchema())
	}
	if d.x.Guard != nil {
		schemes.set(guardScheme, guardObject(d.x))
	}
	if d.authorization {
		schemes.set(authorizationScheme, object{
			{"type", "apiKey"}, {"description", "Sent to the operation as an input."}, {"name", "Authorization"}, {"in", "header"},
		})
	}
	if schemas == nil && schemes == nil {
		return nil
	}
	return object{{"schemas", schemas}, {"responses", responses}, {"securitySchemes", schemes}}
}

// tokenObject describes tokens of an authorization server. OpenAPI knows scopes where it knows
// where tokens come from.
func tokenObject(x *plan.Exposure) object {
	at := x.Guard.TokenEndpoint()
	if at == "" {
		return object{{"type", "http"}, {"description", "An access token; the challenge of a 401 says where to get one."}, {"scheme", "bearer"}}
	}
	scopes := map[string]string{}
	for _, s := range x.OfferedScopes() {
		scopes[s] = ""
	}
	return object{{"type", "oauth2"}, {"flows", object{{"clientCredentials", object{{"tokenUrl", at}, {"scopes", scopes}}}}}}
}

// problemSchema describes [problem].
func problemSchema() object {
	text := object{{"type", "string"}}
	integer := object{{"type", "integer"}}
	return object{
		{"description", "A problem document (RFC 9457)."},
		{"type", "object"},
		{"properties", object{
			{"type", text}, {"title", text}, {"status", integer}, {"detail", text},
			{"code", object{{"type", "string"}, {"description", "What kind of problem it is, exactly."}}},
			{"requestId", object{{"type", "string"}, {"description", "Finds the call in the log."}}},
			{"step", object{{"type", "string"}, {"description", "The step that failed."}}},
			{"upstreamStatus", object{{"type", "integer"}, {"description", "What the step's upstream answered."}}},
		}},
		{"required", []string{"type", "title", "status", "code"}},
	}
}

func guardObject(x *plan.Exposure) object {
	g := x.Guard
	switch g.Scheme {
	case plan.SchemeBasic:
		return object{{"type", "http"}, {"scheme", "basic"}}
	case plan.SchemeBearer:
		return object{{"type", "http"}, {"scheme", "bearer"}}
	case plan.SchemeOAuth2:
		return tokenObject(x)
	}
	in, name := g.Key()
	description := ""
	if name == "" {
		name, description = "configured", "Its name is configured where this is served."
	}
	return object{{"type", "apiKey"}, {"description", description}, {"name", name}, {"in", in}}
}
