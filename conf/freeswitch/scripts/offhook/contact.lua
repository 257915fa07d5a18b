-- The dial string of a user, for its `dial-string` in the directory:
--   ${lua(offhook/contact.lua ${dialed_user} ${dialed_domain})}
-- A Contact is what a client says: another host in it, or maddr, fs_path or a comma, would make this server call somebody
-- else. So the call goes where the REGISTER came from, and of the Contact only its user, host and transport are kept.

local leg = require "offhook.leg"

local PROFILE = "offhook"
local TRANSPORTS = { udp = true, tcp = true, ws = true, wss = true, tls = true }
local USER, HOST = "^[%w._~*#+-]+$", "^[%w.:%[%]-]+$"

local function escaped(text)
  return (text:gsub("[^%w.~_-]", function(char) return string.format("%%%02X", char:byte()) end))
end

-- A line of the XML; a Call-ID can hold tags, but no line's end.
local function line(registration, name)
  name = name:gsub("-", "%%-")
  return registration:match("\n%s*<" .. name .. ">([^\n]*)</" .. name .. ">\n")
end

local function dial(registration, extension)
  local contact = (line(registration, "contact") or ""):gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&amp;", "&")
  local user, host, rest = contact:match("<sips?:([^@<>;?]*)@([^;?<>]+)([^<>]*)>$")
  local ip, port = line(registration, "network-ip"), line(registration, "network-port")
  if not host or not host:find(HOST) or not ip or not ip:find("^[%x.:]+$") or not (port or ""):find("^%d+$") then
    return nil
  end
  if not user:find(USER) or #user > 64 then user = extension end
  local transport = (rest:match(";transport=(%w+)") or "udp"):lower()
  if not TRANSPORTS[transport] then return nil end
  if ip:find(":", 1, true) then ip = "[" .. ip .. "]" end
  local path = string.format("sip:%s@%s:%s;transport=%s", user, ip, port, transport)
  return string.format("sofia/%s/sip:%s@%s;transport=%s;fs_nat=yes;fs_path=%s", PROFILE, user, host, transport, escaped(path))
end

local function find(user, domain)
  if not user or not domain or not user:find("^[%w._+-]+$") or not domain:find("^[%w.:-]+$") then return nil end
  local name = user .. "@" .. domain
  local known = leg.api("sofia", "xmlstatus profile " .. PROFILE .. " user " .. name)
  for registration in known:gmatch("\n%s*<registration>(\n.-\n)%s*</registration>\n") do
    if line(registration, "user") == name then
      local found = dial(registration, user)
      if found then return found end
    end
  end
  return nil
end

stream:write(find(argv[1], argv[2]) or "error/user_not_registered")
