-- One leg of a call (a FreeSWITCH channel, named by its uuid): what is known of it, and what can be done to it.
-- Everything goes through FreeSWITCH's API commands: freeswitch.Session(uuid) would hold locks in an event's thread.

local json = require "offhook.json"

local leg = {}

local api = freeswitch.API()

function leg.api(command, arguments)
  return api:execute(command, arguments or "") or ""
end

function leg.log(level, text)
  freeswitch.consoleLog(level, "offhook: " .. text:gsub("[%c]", "?") .. "\n")
end

--- What somebody did to whom, or tried: one line each, for the record.
function leg.audit(what, by, agent, outcome)
  leg.log("notice", string.format("AUDIT %s by=%s agent=%s %s", what, by or "-", agent, outcome))
end

-- The API splits its arguments at spaces and undoes backslashes and single quotes (switch_utils.c,
-- cleanup_separated_string); written so, a text arrives as it was.
local function quoted(text)
  return (text:gsub("[\\']", "\\%0"):gsub(" ", "\\s"))
end

local UUID = "^[%x-]+$"

function leg.exists(uuid)
  return uuid ~= nil and #uuid <= 64 and uuid:find(UUID) ~= nil and leg.api("uuid_exists", uuid) == "true"
end

--- The value of a channel variable; nil where there is none (or no channel).
function leg.get(uuid, name)
  local value = leg.api("uuid_getvar", uuid .. " " .. name)
  if value == "_undef_" or value == "" or value:find("^%-ERR") then return nil end
  return value
end

--- Sets a channel variable, or removes it where value is nil.
function leg.set(uuid, name, value)
  return leg.api("uuid_setvar", uuid .. " " .. name .. (value and " " .. quoted(value) or "")):find("^%+OK") ~= nil
end

local USER = "^[%w._+-]+$"

--- The user of our directory whose leg this is, and the domain; nil for anybody else's.
-- A leg that came in is known by the digest it answered, one that went out by the user it was dialled for. From, and any
-- header, is only what somebody says.
function leg.agent(uuid)
  local names = { "dialed_user", "dialed_domain" }
  if leg.get(uuid, "direction") ~= "outbound" then names = { "sip_auth_username", "sip_auth_realm" } end
  local user, domain = leg.get(uuid, names[1]), leg.get(uuid, names[2])
  if not user or not domain or #user > 64 or not user:find(USER) or not domain:find("^[%w.:-]+$") then return nil end
  if leg.api("user_exists", "id " .. user .. " " .. domain) ~= "true" then return nil end
  return user, domain
end

--- Who asked that this leg go where it is now: its own user or, after a REFER, who sent that.
function leg.asker(uuid)
  local referred_by = leg.get(uuid, "blind_transfer_uuid")
  if referred_by then return leg.exists(referred_by) and leg.agent(referred_by) or nil end
  return (leg.agent(uuid))
end

--- Whether the directory says that this leg's user is a supervisor.
function leg.is_supervisor(uuid)
  local user, domain = leg.agent(uuid)
  return user ~= nil and leg.api("user_data", user .. "@" .. domain .. " var offhook_role") == "supervisor"
end

--- The leg that this one is bridged to.
function leg.partner(uuid)
  local other = leg.get(uuid, "signal_bond")
  return leg.exists(other) and other or nil
end

local header

--- The leg that this answered one is bridged to. The bridge is made some 20 ms after the 200 that the party has seen, so
-- this waits for it, at most half a second and once in a leg's life: an event's thread stands still meanwhile.
function leg.partner_soon(uuid)
  for _ = 1, leg.get(uuid, "offhook_waited") and 0 or 20 do
    if leg.partner(uuid) and leg.answered(uuid) then break end
    leg.set(uuid, "offhook_waited", "true")
    freeswitch.msleep(25)
  end
  return leg.answered(uuid) and leg.partner(uuid) or nil
end

function header(uuid, name)
  return leg.api("uuid_dump", uuid):match("\n" .. name:gsub("-", "%%-") .. ": ([^\n]*)")
end

--- Whether the party of this leg has put the call on hold.
function leg.on_hold(uuid)
  return header(uuid, "Channel-Call-State") == "HELD"
end

function leg.answered(uuid)
  return header(uuid, "Answer-State") == "answered"
end

--- The number that stands for this leg's party: the user's, else the telephone number.
function leg.number(uuid)
  local user = leg.agent(uuid)
  if user then return user end
  if leg.get(uuid, "direction") == "outbound" then
    return leg.get(uuid, "callee_id_number") or leg.get(uuid, "destination_number") or "unknown"
  end
  return leg.get(uuid, "caller_id_number") or "unknown"
end

--- All legs of the server, as rows of `show channels`.
function leg.all()
  local found = json.decode(leg.api("show", "channels as json"))
  return found and json.is_array(found.rows) and found.rows or {}
end

--- Says a word in the leg's dialog. FreeSWITCH sends it only to who said "X-FS-Support: send_info".
function leg.say(uuid, word)
  leg.api("uuid_send_info", uuid .. " application vnd.offhook+json " .. quoted(json.encode(word)))
end

--- What the leg's BYE says when it ends (nil: nothing of ours). `offhook_reason` tells ended.lua that it is the server's
-- word, and not what a party wrote into its own BYE.
function leg.reason(uuid, text)
  local reason = text and 'SIP;cause=200;text="' .. text .. '"'
  leg.set(uuid, "offhook_reason", reason)
  leg.set(uuid, "sip_reason", reason)
end

--- Ends a leg; the BYE carries the text in its Reason header.
function leg.kill(uuid, text)
  leg.reason(uuid, text)
  leg.api("uuid_kill", uuid .. " NORMAL_CLEARING")
end

return leg
