// A worker that the encoded frames go through unchanged; it tells their RTP timestamps.

onrtctransform = ({ transformer }) => {
  const pass = new TransformStream({
    transform(frame, controller) {
      postMessage({ rtpTimestamp: frame.getMetadata().rtpTimestamp, at: performance.timeOrigin + performance.now() });
      controller.enqueue(frame);
    },
  });
  transformer.readable.pipeThrough(pass).pipeTo(transformer.writable);
};
