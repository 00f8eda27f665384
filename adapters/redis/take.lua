-- Takes a token of the bucket at KEYS[1], as plan.Rate.Take does, by the clock of Redis.
-- ARGV: the microseconds in which one token comes back, and how many the bucket holds.
-- It gives 0, or after how many microseconds there will be a token; then none was taken.
local one, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
-- Since 2023, so that the fractions of small steps are not lost in large numbers.
local now = (time[1] - 1700000000) * 1000000 + time[2]
-- When the bucket will be full again: that is all there is to know of it.
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now) or now, now)
-- A clock that was set back makes nobody wait for longer than it takes to fill the bucket.
full = math.min(full, now + one * burst)
local wait = math.ceil(full + one - one * burst - now)
if wait > 0 then
  return wait
end
full = full + one
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return 0
