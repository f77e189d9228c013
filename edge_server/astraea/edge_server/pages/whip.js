// A client of WHIP (RFC 9725): publishes a video track, with candidates that trickle in, and takes the results.

class WhipError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Publishes a track at an address.
 * @param {string} url
 * @param {MediaStreamTrack} track
 * @param {{token: string, onEncoded: function, onResult: function, onEnd: function}} options
 */
export async function publish(url, track, { token, onEncoded, onResult, onEnd }) {
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  const send = async (to, method, headers = {}, body = undefined) => {
    const response = await fetch(to, { method, body, headers: { ...headers, ...authorization } });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new WhipError(response.status, `${response.status}: ${problem.detail ?? problem.title ?? response.statusText}`);
  };

  const options = await send(url, "OPTIONS");
  const connection = new RTCPeerConnection({ iceServers: iceServers(options.headers.get("link") ?? "") });
  const { sender } = connection.addTransceiver(track, { direction: "sendonly" });
  const worker = new Worker("pages/encoded.js");
  worker.onmessage = ({ data }) => onEncoded(data.rtpTimestamp, data.at);
  sender.transform = new RTCRtpScriptTransform(worker);
  const channel = connection.createDataChannel("results", { ordered: false });
  channel.onmessage = ({ data }) => onResult(JSON.parse(data));

  const resource = {};
  let waiting = [];
  const trickle = async () => {
    if (!resource.url || !waiting.length) return;
    const lines = waiting.map((one) => (one ? `a=mid:${one.sdpMid}\r\na=${one.candidate}` : "a=end-of-candidates"));
    waiting = [];
    const headers = { "content-type": "application/trickle-ice-sdpfrag", "if-match": resource.etag };
    await send(resource.url, "PATCH", headers, `m=video 9 RTP/AVP 0\r\n${lines.join("\r\n")}\r\n`);
  };
  connection.onicecandidate = ({ candidate }) => {
    if (candidate && !candidate.candidate) return; // the end of one section's
    waiting.push(candidate);
    trickle().catch((error) => onEnd(error.message));
  };

  const close = async () => {
    connection.onconnectionstatechange = null;
    const { url: ended } = resource;
    resource.url = null;
    if (ended) await fetch(ended, { method: "DELETE", headers: authorization, keepalive: true }).catch(() => {});
    connection.close();
    worker.terminate();
  };
  connection.onconnectionstatechange = () => {
    if (connection.connectionState === "failed") onEnd("The connection has failed: no way to the server carries video.");
  };
  try {
    await connection.setLocalDescription();
    const reply = await send(url, "POST", { "content-type": "application/sdp" }, connection.localDescription.sdp);
    resource.url = new URL(reply.headers.get("location"), reply.url).href;
    resource.etag = reply.headers.get("etag");
    await connection.setRemoteDescription({ type: "answer", sdp: await reply.text() });
    await trickle();
  } catch (error) {
    close();
    throw error;
  }
  return { id: resource.url.split("/").at(-1), close };
}

/** The servers of `Link` headers with `rel="ice-server"`. */
function iceServers(links) {
  return [...links.matchAll(/<([^>]+)>([^<]*)/g)]
    .filter(([, , parameters]) => parameters.includes('rel="ice-server"'))
    .map(([, urls, parameters]) => ({
      urls,
      username: parameters.match(/username="([^"]*)"/)?.[1],
      credential: parameters.match(/credential="([^"]*)"/)?.[1],
    }));
}
