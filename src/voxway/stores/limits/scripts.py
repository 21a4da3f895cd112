"""What Redis does for the limits, each in one step that nobody can come between.

All times are those of Redis' own clock, so that those of the replicas need not agree. The scripts
are sent as they are: Redis knows them by their hash, and none is missing after it was restarted.
"""

from __future__ import annotations

from typing import Final

NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# A key's slots are a sorted set of owners by the time at which their leases end (milliseconds).

# owner, limit, lease -> 1, or 0 if all slots are taken
RESERVE: Final = (
    NOW
    + """
local owner, limit, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= limit and not redis.call('ZSCORE', KEYS[1], owner) then
  return 0
end
redis.call('ZADD', KEYS[1], now + lease, owner)
redis.call('PEXPIRE', KEYS[1], lease)
return 1
"""
)

# lease, then for each key the number of its owners and the owners -> 0
# Whoever has a socket has its slot, also if Redis knows nothing of it any more.
RENEW: Final = (
    NOW
    + """
local lease, at = tonumber(ARGV[1]), 2
for _, key in ipairs(KEYS) do
  for i = at + 1, at + ARGV[at] do redis.call('ZADD', key, now + lease, ARGV[i]) end
  redis.call('PEXPIRE', key, lease)
  at = at + ARGV[at] + 1
end
return 0
"""
)

# owner -> 0
RELEASE: Final = """
redis.call('ZREM', KEYS[1], ARGV[1])
return 0
"""

# -> how many slots are taken
TAKEN: Final = (
    NOW
    + """
return redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf')
"""
)

# A key's requests are a list of the times at which they came (milliseconds), the oldest first.

# limit, window -> {1, or 0 if there were too many; how many are left; when the oldest falls out}
ADMIT: Final = (
    NOW
    + """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) <= now - window do
  redis.call('LPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], 0)
end
local left = limit - redis.call('LLEN', KEYS[1])
local reset = (oldest or now) + window - now
if left < 1 then return {0, 0, reset} end
redis.call('RPUSH', KEYS[1], now)
redis.call('PEXPIRE', KEYS[1], window)
return {1, left - 1, reset}
"""
)

# A key's budget is a hash of what was granted in each second.

# amount, batch, limit, window -> {granted, the second of it}, or {0, seconds until there is enough}
GRANT: Final = """
local second = tonumber(redis.call('TIME')[1])
local amount, batch = tonumber(ARGV[1]), tonumber(ARGV[2])
local limit, window = tonumber(ARGV[3]), tonumber(ARGV[4])
local grants, total = {}, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, granted = tonumber(all[i]), tonumber(all[i + 1])
  if at <= second - window then
    redis.call('HDEL', KEYS[1], all[i])
  else
    total = total + granted
    table.insert(grants, {at, granted})
  end
end
local over = total + amount - limit
if over > 0 then
  table.sort(grants, function(one, other) return one[1] < other[1] end)
  local wait = window
  for _, grant in ipairs(grants) do
    over = over - grant[2]
    if over <= 0 then
      wait = grant[1] + window - second
      break
    end
  end
  return {0, wait}
end
local granted = math.min(math.max(amount, batch), limit - total)
redis.call('HINCRBY', KEYS[1], second, granted)
redis.call('EXPIRE', KEYS[1], window)
return {granted, second}
"""

# the second of a grant, how much of it was not spent -> 0
GIVE_BACK: Final = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], ARGV[1], -ARGV[2])
end
return 0
"""
