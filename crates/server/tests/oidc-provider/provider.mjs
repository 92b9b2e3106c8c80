// A real identity provider for one test: it listens on a free port of the loopback and says which.
//
// Whoever signs in is who they say they are; the name decides the groups.
import { Provider } from 'oidc-provider';

const [redirect] = process.argv.slice(2);
const groups = { ada: ['trains-ops', 'Quality', 'others'], bob: [] };

async function findAccount(_, id) {
  return {
    accountId: id,
    async claims() {
      return {
        sub: id,
        preferred_username: id,
        name: `${id} of the house`,
        email: `${id}@example.com`,
        email_verified: true,
        groups: groups[id] ?? [],
      };
    },
  };
}

// The issuer holds the port, so a server has to listen before the provider is made.
const { createServer } = await import('node:http');
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'trainmaster',
        client_secret: 'a-secret-of-this-test-only',
        redirect_uris: [redirect],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    claims: {
      openid: ['sub'],
      profile: ['preferred_username', 'name'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    scopes: ['openid', 'profile', 'email', 'groups'],
    pkce: { required: () => true, methods: ['S256'] },
    cookies: { keys: ['a key of this test only'] },
    findAccount,
  });
  server.on('request', provider.callback());
  process.stdout.write(`${issuer}\n`);
});
// Whoever started this holds the other end of standard input: when they are gone, so is this.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
