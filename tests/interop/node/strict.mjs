// A strict second opinion: oauth4webapi follows the RFCs to the letter and refuses whatever departs from them.
//
// Arguments: issuer, resource, redirect URI. Prints "authorize <url>", reads the address the browser was sent to, then prints
// "result <JSON>".
import { createInterface } from 'node:readline/promises';
import * as oauth from 'oauth4webapi';

process.on('uncaughtException', (error) => {
  console.log(`failed ${error.name} ${error.code ?? ''} ${error.message} ${error.cause?.status ?? error.cause ?? ''}\n${error.stack}`);
  process.exit(1);
});

const [issuerText, resourceText, redirectUri] = process.argv.slice(2);
const issuer = new URL(issuerText);
const options = { [oauth.allowInsecureRequests]: true };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const result = {};

// RFC 9728: the challenge of the resource leads to its metadata, which names the issuer byte for byte.
const anonymous = await fetch(resourceText, { method: 'POST' });
result.anonymous = anonymous.status;
const challenge = anonymous.headers.get('www-authenticate');
const metadataUrl = /resource_metadata="([^"]+)"/.exec(challenge)?.[1];
const resource = await oauth.processResourceDiscoveryResponse(new URL(resourceText), await fetch(metadataUrl));
const wellKnown = await oauth.processResourceDiscoveryResponse(
  new URL(resourceText), await oauth.resourceDiscoveryRequest(new URL(resourceText), options),
);
result.sameMetadata = JSON.stringify(resource) === JSON.stringify(wellKnown);
result.resource = resource.resource;
result.authorizationServers = resource.authorization_servers;

// RFC 8414: the library compares the issuer with the URL it started from, after both were parsed; the text is compared by the caller.
const as = await oauth.processDiscoveryResponse(
  issuer, await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' }),
);
const oidc = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
result.issuer = as.issuer;
result.sameIssuer = as.issuer === oidc.issuer;

// RFC 7591
const confidential = process.argv[5] !== undefined;
const client = await oauth.processDynamicClientRegistrationResponse(
  await oauth.dynamicClientRegistrationRequest(as, {
    redirect_uris: [redirectUri],
    client_name: 'A strict client',
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: process.argv[5] ?? 'none',
  }, options),
);
const authentication = {
  client_secret_basic: oauth.ClientSecretBasic,
  client_secret_post: oauth.ClientSecretPost,
  none: oauth.None,
}[client.token_endpoint_auth_method](client.client_secret);
result.authMethod = client.token_endpoint_auth_method;
result.hasSecret = confidential === (client.client_secret !== undefined);

// RFC 6749 §4.1 with PKCE, RFC 9207
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const authorize = new URL(as.authorization_endpoint);
for (const [name, value] of Object.entries({
  response_type: 'code',
  client_id: client.client_id,
  redirect_uri: redirectUri,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  resource: resource.resource,
  state,
})) authorize.searchParams.set(name, value);
console.log(`authorize ${authorize}`);
const answer = new URL((await lines.next()).value);
result.iss = answer.searchParams.get('iss');
const parameters = oauth.validateAuthResponse(as, client, answer, state);

const further = { ...options, additionalParameters: { resource: resource.resource } };
const tokens = await oauth.processAuthorizationCodeResponse(as, client, await oauth.authorizationCodeGrantRequest(
  as, client, authentication, parameters, redirectUri, verifier, further,
));
result.tokenType = tokens.token_type;
result.expiresIn = tokens.expires_in;

// RFC 9068: the token stands on its own feet, against the published keys.
const request = new Request(resource.resource, { headers: { authorization: `Bearer ${tokens.access_token}` } });
const claims = await oauth.validateJwtAccessToken(as, request, resource.resource, options);
result.audience = claims.aud;
result.clientIdClaim = claims.client_id === client.client_id;

async function ping(token) {
  try {
    const response = await oauth.protectedResourceRequest(
      token, 'POST', new URL(resource.resource),
      new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream' }),
      JSON.stringify({
        jsonrpc: '2.0', id: 1, method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'strict', version: '1' } },
      }),
      options,
    );
    return { status: response.status };
  } catch (error) {
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
    return { status: error.status, challenge: error.cause[0].parameters };
  }
}
result.call = await ping(tokens.access_token);
result.nonsense = await ping('not.a.token');

// RFC 6749 §6
const renewed = await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(
  as, client, authentication, tokens.refresh_token, options,
));
result.rotated = renewed.refresh_token !== undefined && renewed.refresh_token !== tokens.refresh_token;
result.callRenewed = await ping(renewed.access_token);

// RFC 7662 where it is offered to this client, RFC 7009, then nothing is left.
if (as.introspection_endpoint && confidential) {
  const seen = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(
    as, client, authentication, renewed.access_token, options,
  ));
  result.introspected = { active: seen.active, iss: seen.iss, client: seen.client_id === client.client_id };
}
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, authentication, renewed.refresh_token, options),
);
result.callRevoked = await ping(renewed.access_token);
try {
  await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(
    as, client, authentication, renewed.refresh_token, options,
  ));
} catch (error) {
  result.refreshRevoked = { status: error.status, error: error.error };
}
console.log(`result ${JSON.stringify(result)}`);
process.exit(0);
