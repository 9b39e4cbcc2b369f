// The peer of P4, P5 and P7: npm oidc-provider, giving JWT access tokens to one client: bound by DPoP for
// private_key_jwt, or Bearer for client_secret_post where the settings have a client_secret.
//
//   node oidc_provider.mjs LIBRARY PORT '{"client_id": ..., "algorithm": "ES256", "jwk": {...}, "scope": ...}'
//
// It is treated well: one process, its replay memory a map of its own, no nonces, no database.

import { generateKeyPairSync } from "node:crypto";

const [library, port, settings] = process.argv.slice(2);
const { Provider } = await import(library);
const { client_id, client_secret, algorithm, jwk, scope } = JSON.parse(settings);
const proof = client_secret
  ? { token_endpoint_auth_method: "client_secret_post", client_secret }
  : {
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: algorithm,
      jwks: { keys: [jwk] },
    };
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id,
      grant_types: ["client_credentials"],
      id_token_signed_response_alg: "ES256",
      redirect_uris: [],
      response_types: [],
      ...proof,
      scope,
    },
  ],
  clientAuthMethods: [proof.token_endpoint_auth_method],
  enabledJWA: { dPoPSigningAlgValues: ["ES256"], clientAuthSigningAlgValues: ["ES256", "PS256"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => issuer,
      getResourceServerInfo: () => ({
        scope,
        audience: issuer,
        accessTokenFormat: "jwt",
        accessTokenTTL: 900,
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "1", alg: "ES256", use: "sig" }] },
  scopes: [scope],
  ttl: { ClientCredentials: 900 },
});
provider.listen(Number(port), "127.0.0.1");
