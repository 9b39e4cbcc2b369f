// A real OpenID Connect provider (npm oidc-provider) for tests: any password is right for an account that there is.
//
//   node oidc_provider.mjs LIBRARY PORT '{"client": {...}, "accounts": {"ann": {"email": ..., "email_verified": true}}}'

const [library, port, settings] = process.argv.slice(2);
const { Provider } = await import(library);
const { client, accounts } = JSON.parse(settings);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  cookies: { keys: ["tests only"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_context, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
  pkce: { required: () => true },
  ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 600, IdToken: 60, Interaction: 600, Session: 600 },
});
provider.listen(Number(port), "127.0.0.1");
