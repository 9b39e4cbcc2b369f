-- For wrk: sends every request of a file once, in order, and measures until the last of them is answered.
-- usage: wrk -t1 -cCONNECTIONS -dSECONDSs -s prepared.lua URL -- FILE CONNECTIONS
--
-- The file holds whole HTTP requests, each followed by a NUL. wrk's own duration is no measure: it sleeps to the end of
-- -d even when the file is through.

local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int clock, moment *found);")
local found = ffi.new("moment")

local function now()
  ffi.C.clock_gettime(1, found) -- CLOCK_MONOTONIC
  return tonumber(found.s) + tonumber(found.ns) / 1e9
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  requests, sent, seen, refused, started, ended = {}, 0, 0, 0, 0, 0
  local file = assert(io.open(arguments[1], "rb"))
  for request in file:read("*a"):gmatch("([^%z]+)%z") do
    requests[#requests + 1] = request
  end
  file:close()
  -- Every connection has one more under way when the last answer that counts comes.
  last = #requests - tonumber(arguments[2])
end

function request()
  sent = sent + 1
  -- wrk asks the first thread for one request before it starts, to see whether they are pipelined, and drops it.
  if sent == 2 then
    started = now()
  end
  return requests[math.min(sent, #requests)]
end

function response(status)
  seen = seen + 1
  ended = now()
  if status ~= 200 then
    refused = refused + 1
  end
  if seen >= last then
    wrk.thread:stop()
  end
end

function done(summary, latency)
  local thread = threads[1]
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\n{"seen": %d, "refused": %d, "errors": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d}\n',
    thread:get("seen"), thread:get("refused"), errors, thread:get("ended") - thread:get("started"),
    latency:percentile(50), latency:percentile(99)
  ))
end
