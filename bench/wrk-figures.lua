-- What wrk does not report by itself: percentiles beyond 99 %, and bodies to send.
local bytes = tonumber(os.getenv("WRK_BODY_BYTES") or "0")
if bytes > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("x", bytes)
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    "figures %d %d %d %d %d %d\n",
    summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
  ))
end
