-- A small strict JSON reader and writer (RFC 8259). FreeSWITCH's own freeswitch.JSON takes what is no JSON (text after
-- the value, raw control characters, invalid UTF-8) and turns null, {} and [] into the same thing, so it is not used for
-- what strangers send.

local json = {}

json.null = setmetatable({}, { __tostring = function() return "null" end })

local MAX_DEPTH = 8

local Array = {}

--- Marks a table as an array, so that an empty one is written as [].
function json.array(items)
  return setmetatable(items or {}, Array)
end

function json.is_array(value)
  return type(value) == "table" and getmetatable(value) == Array
end

function json.is_object(value)
  return type(value) == "table" and value ~= json.null and getmetatable(value) ~= Array
end

local function fail(at, what)
  error({ json = what .. " at " .. at }, 0)
end

local function utf8_of(code)
  local char = string.char
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40)
  elseif code < 0x10000 then
    return char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return char(0xF0 + math.floor(code / 0x40000), 0x80 + math.floor(code / 0x1000) % 0x40,
    0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

--- Whether a string is UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
function json.is_utf8(text)
  local at, length = 1, #text
  while at <= length do
    local first = text:byte(at)
    local more, low, high
    if first < 0x80 then more = 0
    elseif first >= 0xC2 and first <= 0xDF then more, low, high = 1, 0x80, 0xBF
    elseif first == 0xE0 then more, low, high = 2, 0xA0, 0xBF
    elseif first == 0xED then more, low, high = 2, 0x80, 0x9F
    elseif first >= 0xE1 and first <= 0xEF then more, low, high = 2, 0x80, 0xBF
    elseif first == 0xF0 then more, low, high = 3, 0x90, 0xBF
    elseif first == 0xF4 then more, low, high = 3, 0x80, 0x8F
    elseif first >= 0xF1 and first <= 0xF3 then more, low, high = 3, 0x80, 0xBF
    else return false end
    for step = 1, more do
      local byte = text:byte(at + step)
      if not byte or byte < low or byte > high then return false end
      low, high = 0x80, 0xBF
    end
    at = at + 1 + more
  end
  return true
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function hex4(text, at)
  local digits = text:match("^%x%x%x%x", at)
  if not digits then fail(at, "bad \\u escape") end
  return tonumber(digits, 16)
end

local function read_escape(text, at)
  local kind = text:sub(at, at)
  if kind ~= "u" then
    if not ESCAPES[kind] then fail(at, "bad escape") end
    return ESCAPES[kind], at + 1
  end
  local code = hex4(text, at + 1)
  at = at + 5
  if code >= 0xD800 and code <= 0xDBFF then
    if text:sub(at, at + 1) ~= "\\u" then fail(at, "lone surrogate") end
    local second = hex4(text, at + 2)
    if second < 0xDC00 or second > 0xDFFF then fail(at, "lone surrogate") end
    code = 0x10000 + (code - 0xD800) * 0x400 + (second - 0xDC00)
    at = at + 6
  elseif code >= 0xDC00 and code <= 0xDFFF then
    fail(at, "lone surrogate")
  end
  return utf8_of(code), at
end

local function read_string(text, at)
  local parts = {}
  at = at + 1
  while true do
    local stop = text:find('[%c"\\]', at)
    if not stop then fail(#text, "string without an end") end
    parts[#parts + 1] = text:sub(at, stop - 1)
    local byte = text:sub(stop, stop)
    if byte == '"' then
      return table.concat(parts), stop + 1
    elseif byte == "\\" then
      parts[#parts + 1], at = read_escape(text, stop + 1)
    elseif byte == "\127" then
      parts[#parts + 1], at = byte, stop + 1
    else
      fail(stop, "control character")
    end
  end
end

local function read_number(text, at)
  local stop = at
  local function take(pattern)
    local _, last = text:find("^" .. pattern, stop)
    if last then stop = last + 1 end
    return last
  end
  take("%-")
  if not take("0") and not take("[1-9]%d*") then fail(at, "bad value") end
  if take("%.") and not take("%d+") then fail(stop, "bad number") end
  if take("[eE]") then
    take("[+-]")
    if not take("%d+") then fail(stop, "bad number") end
  end
  if stop - at > 32 then fail(at, "number too long") end
  return tonumber(text:sub(at, stop - 1)), stop
end

local read_value

local function read_object(text, at, depth)
  local found = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return found, at + 1 end
  while true do
    if text:sub(at, at) ~= '"' then fail(at, "no name") end
    local name
    name, at = read_string(text, at)
    if found[name] ~= nil then fail(at, "a name twice") end
    at = skip(text, at)
    if text:sub(at, at) ~= ":" then fail(at, "no colon") end
    found[name], at = read_value(text, skip(text, at + 1), depth)
    at = skip(text, at)
    local byte = text:sub(at, at)
    if byte == "}" then return found, at + 1 end
    if byte ~= "," then fail(at, "no comma") end
    at = skip(text, at + 1)
  end
end

local function read_array(text, at, depth)
  local found = json.array()
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return found, at + 1 end
  while true do
    found[#found + 1], at = read_value(text, at, depth)
    at = skip(text, at)
    local byte = text:sub(at, at)
    if byte == "]" then return found, at + 1 end
    if byte ~= "," then fail(at, "no comma") end
    at = skip(text, at + 1)
  end
end

function read_value(text, at, depth)
  if depth > MAX_DEPTH then fail(at, "too deep") end
  local byte = text:sub(at, at)
  if byte == "{" then return read_object(text, at, depth + 1) end
  if byte == "[" then return read_array(text, at, depth + 1) end
  if byte == '"' then return read_string(text, at) end
  if text:find("^true", at) then return true, at + 4 end
  if text:find("^false", at) then return false, at + 5 end
  if text:find("^null", at) then return json.null, at + 4 end
  return read_number(text, at)
end

--- The value of a JSON text, or nil and what is wrong with it. null is json.null.
function json.decode(text)
  if not json.is_utf8(text) then return nil, "no UTF-8" end
  local ok, value, at = pcall(function()
    return read_value(text, skip(text, 1), 0)
  end)
  if not ok then return nil, type(value) == "table" and value.json or tostring(value) end
  if skip(text, at) <= #text then return nil, "more after the value" end
  return value
end

local function write_string(text)
  return '"' .. text:gsub('[%c"\\]', function(byte)
    if byte == '"' or byte == "\\" then return "\\" .. byte end
    return string.format("\\u%04x", byte:byte())
  end) .. '"'
end

--- The JSON text of a value, on one line, names in alphabetical order. What is no UTF-8 becomes "?".
function json.encode(value)
  if value == nil or value == json.null then return "null" end
  local kind = type(value)
  if kind == "boolean" then return tostring(value) end
  if kind == "number" then return string.format(value % 1 == 0 and "%d" or "%.14g", value) end
  if kind == "string" then
    return write_string(json.is_utf8(value) and value or (value:gsub("[\128-\255]", "?")))
  end
  local parts = {}
  if json.is_array(value) then
    for at = 1, #value do parts[at] = json.encode(value[at]) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for at, name in ipairs(names) do parts[at] = write_string(name) .. ":" .. json.encode(value[name]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

return json
