// A certified identity provider on a loopback port, with plain HTML forms instead of its development pages.
//
// Reads one JSON object from the variable SETTINGS: port, users' pages are at /interaction/:uid, and
//   refresh:       "always" or "offline_access" (the library's own rule: only with that scope, which needs prompt=consent)
//   access_token_seconds: life of an access token
// POST /control/clients (JSON: client metadata) plays the administrator who registers an application by hand.
// POST /control/away (true or false) answers everything with 503, or no longer.
// GET /control/log gives every request to the token and authorization endpoints, without their secrets.
import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';

const settings = JSON.parse(process.env.SETTINGS);
const issuer = `http://127.0.0.1:${settings.port}`;
const log = [];
let away = false;

const provider = new Provider(issuer, {
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  rotateRefreshToken: true,
  ttl: { AccessToken: settings.access_token_seconds ?? 3600, Session: 3600, Grant: 86400, RefreshToken: 86400 },
  cookies: { keys: ['loopback only'] },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} Example`, email: `${id}@example.com`, email_verified: true }),
  }),
  ...(settings.refresh !== 'offline_access' && {
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  }),
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => {
        if (!/^https?:\/\/127\.0\.0\.1:/.test(resource)) throw new errors.InvalidTarget();
        return {
          scope: 'openid profile email offline_access',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: settings.access_token_seconds ?? 3600,
        };
      },
    },
  },
});

function escape(text) {
  return String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

function page(title, fields, action) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>${title}</title><h1>${title}</h1>
<form method="post" action="${escape(action)}">${fields}<button type="submit" id="submit">${title}</button></form></html>`;
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function grantEverything({ session, params, prompt, grantId }) {
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({
    accountId: session.accountId, clientId: params.client_id,
  });
  grant.addOIDCScope(params.scope);
  const resources = prompt.details.missingResourceScopes ?? {};
  for (const [resource, scopes] of Object.entries(resources)) grant.addResourceScope(resource, scopes.join(' '));
  return grant.save();
}

async function interaction(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    const fields = details.prompt.name === 'login' ? '<label>Name <input name="login" value="" autofocus></label>' : '';
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(page(details.prompt.name === 'login' ? 'Sign in' : 'Share', fields, request.url));
    return;
  }
  const form = new URLSearchParams(await body(request));
  const result = details.prompt.name === 'login'
    ? { login: { accountId: form.get('login') || 'alice' } }
    : { consent: { grantId: await grantEverything(details) } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

async function goAway(request, response) {
  away = JSON.parse(await body(request));
  response.end('{}');
}

async function registerClient(request, response) {
  const client = new provider.Client(JSON.parse(await body(request)));
  await provider.Client.adapter.upsert(client.clientId, client.metadata());
  response.statusCode = 201;
  response.end('{}');
}

provider.use(async (ctx, next) => {
  await next();
  const parameters = { ...ctx.query, ...ctx.oidc?.params };
  for (const secret of ['client_secret', 'code', 'code_verifier', 'refresh_token', 'token']) delete parameters[secret];
  const authorization = ctx.get('authorization').split(' ')[0];
  log.push({ path: ctx.path, status: ctx.status, authorization, parameters });
});
provider.on('server_error', (_ctx, error) => console.error(error));
for (const event of ['authorization.error', 'grant.error', 'revocation.error']) {
  provider.on(event, (_ctx, error) => console.error(event, error.error, error.error_description, error.error_detail));
}

const handle = provider.callback();
createServer((request, response) => {
  const path = new URL(request.url, issuer).pathname;
  let work;
  if (path === '/control/away') work = goAway(request, response);
  else if (away) work = Promise.resolve(response.writeHead(503).end());
  else if (path.startsWith('/interaction/')) work = interaction(request, response);
  else if (path === '/control/clients') work = registerClient(request, response);
  else if (path === '/control/log') work = Promise.resolve(response.end(JSON.stringify(log)));
  else work = Promise.resolve(handle(request, response));
  work.catch((error) => {
    console.error(error);
    response.statusCode = 500;
    response.end(String(error));
  });
}).listen(settings.port, '127.0.0.1', () => console.log(`ready ${issuer}`));
