// ws, through a tunnel, and in absolute-form as RFC 6455 section 4.1 has it for ws:// without one. usage: websocket_client.js PROXY
// OUT; NODE_EXTRA_CA_CERTS and BLOB in the environment
const [proxy, out] = process.argv.slice(2);
const fs = require("fs"), url = require("url"), WebSocket = require("ws");
const {HttpProxyAgent} = require("http-proxy-agent"), {HttpsProxyAgent} = require("https-proxy-agent");
const createHttp = require("http-proxy-agent"), createHttps = require("https-proxy-agent");
const make = (Agent, create) => Agent ? new Agent(proxy) : create(url.parse(proxy));
const blob = fs.readFileSync(process.env.BLOB);

const talk = (target, agent, name) => new Promise((resolve, reject) => {
  const socket = new WebSocket(target, {agent});
  socket.on("error", reject).on("open", () => socket.send("grüße"));
  socket.on("message", (message, isBinary) => {
    if (isBinary) { fs.writeFileSync(`${out}/${name}`, message); return socket.close(1000, "done"); }
    if (message.toString() !== "grüße") return reject(new Error(message));
    socket.ping("x");
    socket.once("pong", () => socket.send(blob));
  });
  socket.on("close", code => code === 1000 ? resolve() : reject(new Error(`closed with ${code}`)));
});

(async () => {
  const forward = make(HttpProxyAgent, createHttp), tunnel = make(HttpsProxyAgent, createHttps);
  await talk("ws://origin.example:8001/", forward, "forward");
  await talk("ws://origin.example:8001/", tunnel, "tunnel");
  await talk("wss://origin.example:8444/", tunnel, "secure");
})().catch(error => { console.error(error); process.exit(1); });
