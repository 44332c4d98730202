// An OpenID Connect provider for tests, on a free port of this machine.
// Each line it reads is JSON with its keys, and where its clients come back to; it says where it is
// once it answers with these.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const AUDIENCE = 'https://ledger.example/api';
const SCOPES = 'ledger ledger.other';
const ROLES = {
  amira: ['finance-team', 'choir'],
  bilal: ['approvers'],
  gita: ['finance-team'],
  stranger: ['choir'],
};

let answer;
const server = createServer((request, response) => answer(request, response));
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

function signsPeopleIn(name, comesBackTo) {
  return {
    client_id: name,
    client_secret: `secret-of-${name}`,
    grant_types: ['authorization_code'],
    response_types: ['code'],
    redirect_uris: [`${comesBackTo}/sign-in/back`],
    post_logout_redirect_uris: [`${comesBackTo}/sign-in`],
  };
}

function program(name) {
  return {
    client_id: name,
    client_secret: `secret-of-${name}`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: SCOPES,
  };
}

function provider({ keys, comesBackTo }) {
  return new Provider(issuer, {
    jwks: { keys },
    clients: [
      signsPeopleIn('ledger', comesBackTo),
      signsPeopleIn('ledger-recipients', comesBackTo),
      program('payroll'),
      program('robot'),
    ],
    claims: { openid: ['sub'], profile: ['preferred_username', 'roles'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['a key for tests'] },
    scopes: ['openid', 'profile', ...SCOPES.split(' ')],
    findAccount: (_context, name) => ({
      accountId: name,
      claims: () => ({ sub: name, preferred_username: name, roles: ROLES[name] ?? [] }),
    }),
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context, client) => (client.redirectUris.length ? undefined : AUDIENCE),
        getResourceServerInfo: (_context, audience) => ({
          audience, scope: SCOPES, accessTokenFormat: 'jwt', accessTokenTTL: 600,
        }),
      },
    },
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  answer = provider(JSON.parse(line)).callback();
  console.log(issuer);
}
process.exit();
