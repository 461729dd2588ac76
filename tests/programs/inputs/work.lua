-- work.lua SIZE: tables, strings, closures, coroutines, garbage collection.
local size = tonumber(arg[1])

local preload = os.getenv("PRELOAD") or ""
local loaded = preload == ""
for line in io.lines("/proc/self/maps") do
    loaded = loaded or line:sub(-#preload - 1) == " " .. preload
end
print("loaded", loaded)

local function tree(depth)
    if depth == 0 then
        return { size = 1 }
    end
    local left, right = tree(depth - 1), tree(depth - 1)
    return { left, right, size = left.size + right.size + 1 }
end

local nodes = 0
for i = 1, size // 100 do
    nodes = nodes + tree(4 + i % 8).size
end
print("nodes", nodes)

local words, count = {}, 0
for i = 1, size * 2 do
    local key = string.format("%x", i * 2654435761 % size)
    if not words[key] then
        words[key] = {}
        count = count + 1
    end
    table.insert(words[key], ("y"):rep(i % 30))
end
local keys, total = {}, 0
for key, list in pairs(words) do
    keys[#keys + 1] = key
    total = total + #table.concat(list, ",")
end
table.sort(keys)
print("words", count, total, keys[1], keys[#keys])

local text = table.concat(keys, " ")
print("text", #text, select(2, text:gsub("%w+", string.upper)), #text:gsub("(%w)(%w)", "%2-%1"))

local sum = 0
local producers = {}
for i = 1, 100 do
    producers[i] = coroutine.wrap(function()
        for j = 1, size // 100 do
            coroutine.yield({ i, j, tostring(i * j) })
        end
    end)
end
for _ = 1, size // 100 do
    for i = 1, 100 do
        sum = (sum + #producers[i]()[3]) % 1000003
    end
end
words, keys, producers = nil, nil, nil
collectgarbage()
print("sum", sum)
