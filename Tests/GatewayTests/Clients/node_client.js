// Node.js with the agents that Debian has. usage: node_client.js PROXY OUT; NODE_EXTRA_CA_CERTS and BLOB in the environment
const [proxy, out] = process.argv.slice(2);
const fs = require("fs"), http = require("http"), https = require("https"), url = require("url");
const {HttpProxyAgent} = require("http-proxy-agent"), {HttpsProxyAgent} = require("https-proxy-agent");
const createHttp = require("http-proxy-agent"), createHttps = require("https-proxy-agent");
const make = (Agent, create) => Agent ? new Agent(proxy) : create(url.parse(proxy));
const blob = fs.readFileSync(process.env.BLOB);

function ask(client, target, agent, method, name) {
  return new Promise((resolve, reject) => {
    const request = client.request(target, {agent, method}, answer => {
      if (answer.statusCode !== 200) return reject(new Error(`${target}: ${answer.statusCode}`));
      const parts = [];
      answer.on("data", part => parts.push(part)).on("error", reject)
        .on("end", () => { fs.writeFileSync(`${out}/${name}`, Buffer.concat(parts)); resolve(); });
    });
    request.on("error", reject);
    request.end(method === "POST" ? blob : undefined);
  });
}

(async () => {
  // To a site without TLS: by absolute-form, and through a tunnel.
  const forward = make(HttpProxyAgent, createHttp), tunnel = make(HttpsProxyAgent, createHttps);
  for (const [method, path] of [["GET", "/blob"], ["POST", "/echo"]]) {
    await ask(http, "http://origin.example:8000" + path, forward, method, "forward-" + method);
    await ask(http, "http://origin.example:8000" + path, tunnel, method, "tunnel-" + method);
    await ask(https, "https://origin.example:8443" + path, tunnel, method, "secure-" + method);
  }
})().catch(error => { console.error(error); process.exit(1); });
