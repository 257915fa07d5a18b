-- Run by the hook for RECV_INFO: the words of an agent's client (application/vnd.offhook+json) in a call's dialog.
-- FreeSWITCH has answered the INFO 200 already, or will, whatever is in it; the outcome is a word of ours.

local json = require "offhook.json"
local leg = require "offhook.leg"
local room = require "offhook.room"

local MAX_BODY, MAX_VALUE = 8192, 512
-- So often a leg may have all channels searched.
local MAX_SEARCHES = 20

local uuid = event:getHeader("Unique-ID")

local function value_of(uuid_, ...)
  for _, name in ipairs { ... } do
    local value = leg.get(uuid_, name)
    if value then return value end
  end
  return nil
end

--- What the members are told of the customer's call. `consult`: the leg whose INVITE named it, if there is one.
local function facts_of(call, customer, consult)
  local asked = consult or call
  return {
    customerDialogId = value_of(asked, "sip_h_X-Customer-Dialog-Id")
      or value_of(call, "sip_h_X-Call-Id", "offhook_call_id") or json.null,
    customerNumber = value_of(asked, "sip_h_X-CustomerNumber") or leg.number(customer),
    customerDestinationNumber = value_of(call, "sip_h_X-Destination-Number", "offhook_dnis") or json.null,
  }
end

local function say_failed(word, name, reason)
  leg.say(uuid, { event = name, id = word.id, reasonCode = reason })
end

local function done(word)
  leg.say(uuid, { event = "DONE", id = word.id })
end

local handlers = {}

--- The agent's own other leg, by its SIP Call-ID; nil where that is nobody's, or somebody else's.
local function own_leg(agent, domain, call_id)
  local function fits(candidate)
    local user, its = leg.agent(candidate)
    return user == agent and its == domain and candidate ~= uuid and leg.get(candidate, "sip_call_id") == call_id
  end
  if #call_id > 256 or call_id:find("[%c ]") then return nil end
  local known = leg.api("hash", "select/offhook_legs/" .. leg.api("md5", call_id))
  if leg.exists(known) and fits(known) then return known end
  -- A leg that was taken over did not come through the dialplan. A search holds up everybody's words.
  local searched = tonumber(leg.get(uuid, "offhook_searched") or "0") or MAX_SEARCHES
  if searched >= MAX_SEARCHES then return nil end
  leg.set(uuid, "offhook_searched", tostring(searched + 1))
  for _, row in ipairs(leg.all()) do
    if fits(row.uuid) then return row.uuid end
  end
  return nil
end

local function join(word, agent, domain)
  local consult = type(word.consult) == "string" and own_leg(agent, domain, word.consult)
  local consulted = consult and leg.partner_soon(consult)
  if not consulted then return consult and "CONSULT_LEFT" or "NOT_ALLOWED" end
  local name, customer = room.of(uuid), leg.partner_soon(uuid)
  if not name and not customer then return "CUSTOMER_LEFT" end
  if not leg.answered(uuid) or leg.get(uuid, "offhook_monitor_target") then return "NOT_ALLOWED" end
  if room.of(consult) or consulted == customer or not leg.answered(consulted) then return "NOT_ALLOWED" end
  if name and #room.members(name) >= room.LIMIT then return "LIMIT_REACHED" end
  -- It waits until everybody is in the room, and is told then what came of it.
  leg.set(consult, "park_after_bridge", "true")
  if name then
    local known = json.decode(leg.get(uuid, "offhook_facts") or "{}") or {}
    room.add(name, consulted, known, "MEMBER_ADDED", uuid, word.id)
  else
    name = room.open(uuid, customer, consulted, facts_of(uuid, customer, consult), "CONSULT_CONFERENCE", uuid, word.id)
    if not name then
      leg.set(consult, "park_after_bridge")
      return "NOT_ALLOWED"
    end
  end
  room.end_later(name, consult)
  return nil
end

function handlers.CONFERENCE(word, agent, domain)
  local reason = join(word, agent, domain)
  if reason then say_failed(word, "CONSULT_CONFERENCE_FAILED", reason) end
end

--- The leg that this monitoring leg listens to; nil where it is none, or its user is no supervisor.
local function monitored()
  local target = leg.get(uuid, "offhook_monitor_target")
  return target and leg.is_supervisor(uuid) and leg.exists(target) and target or nil
end

local function barge(word, agent)
  if room.of(uuid) then return "NOT_ALLOWED" end
  local target = monitored()
  if not target then return "NOT_ALLOWED" end
  local name, customer = room.of(target), leg.partner(target)
  if not name and not customer then return "CUSTOMER_LEFT" end
  if leg.on_hold(target) then return "ON_HOLD" end
  if name and #room.members(name) >= room.LIMIT then return "LIMIT_REACHED" end
  leg.audit("BARGE", agent, leg.number(target), "begins")
  if name then
    local known = json.decode(leg.get(target, "offhook_facts") or "{}") or {}
    room.add(name, uuid, known, "BARGE_CONFERENCE", uuid, word.id)
  elseif not room.open(target, customer, uuid, facts_of(target, customer), "BARGE_CONFERENCE", uuid, word.id) then
    return "NOT_ALLOWED"
  end
  leg.set(uuid, "offhook_monitor_target")
  return nil
end

function handlers.BARGE(word, agent)
  local reason = barge(word, agent)
  if reason then
    leg.audit("BARGE", agent, "-", "refused " .. reason)
    say_failed(word, "BARGE_FAILED", reason)
  end
end

function handlers.WHISPER(word, agent)
  local target = monitored()
  if type(word.on) ~= "boolean" or not target then
    leg.audit("WHISPER", agent, "-", "refused")
    return say_failed(word, "FAILED", "NOT_ALLOWED")
  end
  leg.audit("WHISPER", agent, leg.number(target), word.on and "begins" or "ends")
  leg.set(uuid, "offhook_whisper", tostring(word.on))
  leg.api("uuid_transfer", uuid .. " 'lua:offhook/monitor.lua again' inline")
  done(word)
end

--- Whether this leg is that of a conference's customer: it may say how it is, but nothing of the others.
local function is_customer()
  return room.of(uuid) ~= nil and leg.get(uuid, "offhook_customer") == "true"
end

function handlers.DROP_MEMBER(word, agent)
  local name = room.of(uuid)
  if not name or is_customer() then return say_failed(word, "FAILED", "NOT_ALLOWED") end
  for _, other in ipairs(room.members(name)) do
    local extension = leg.get(other, "offhook_ext")
    if extension == word.member then
      leg.audit("DROP_MEMBER", agent, extension, "done")
      done(word)
      return leg.kill(other, "DROPPED_BY_MEMBER")
    end
  end
  say_failed(word, "FAILED", "NO_SUCH_MEMBER")
end

function handlers.MEMBER_STATE(word)
  local name = room.of(uuid)
  if not name then return say_failed(word, "FAILED", "NOT_ALLOWED") end
  if type(word.held) ~= "boolean" or type(word.muted) ~= "boolean" then
    return say_failed(word, "FAILED", "INVALID")
  end
  leg.set(uuid, "offhook_held", tostring(word.held))
  leg.set(uuid, "offhook_muted", tostring(word.muted))
  done(word)
  room.tell(name, room.members(name), "MEMBER_STATE", uuid, word.id)
end

--- Names and values that may become channel variables. Other names would reach the variables that say what a leg is
-- (offhook_room, ...); "${" in a value would be expanded, commands included, by the next `set` that uses it.
local function are_variables(variables)
  if not json.is_object(variables) then return false end
  for name, value in pairs(variables) do
    if type(value) ~= "string" or #value > MAX_VALUE then return false end
    if not name:find("^callVariable%d$") or value:find("%c") or value:find("$", 1, true) then return false end
  end
  return true
end

local STREAMS, STATES = { video = true, screenshare = true }, { on = true, off = true }

--- Tells the other party, or the other members, what of this one is to be seen now.
function handlers.MEDIA_CONVERSION(word)
  if not STREAMS[word.stream or 0] or not STATES[word.streamStatus or 0] then return say_failed(word, "FAILED", "INVALID") end
  local name = room.of(uuid)
  local others = name and room.members(name) or { leg.partner(uuid) }
  if #others == 0 or not leg.answered(uuid) then return say_failed(word, "FAILED", "NOT_ALLOWED") end
  local told = { eventRequest = "remote", stream = word.stream, streamStatus = word.streamStatus }
  for _, other in ipairs(others) do
    if other ~= uuid then leg.say(other, { event = "mediaConversion", dialog = told }) end
  end
  done(word)
end

function handlers.VARIABLES(word)
  if is_customer() then return say_failed(word, "FAILED", "NOT_ALLOWED") end
  if not are_variables(word.variables) then return say_failed(word, "FAILED", "INVALID") end
  local name = room.of(uuid)
  local others = name and room.members(name) or { uuid, leg.partner(uuid) }
  for variable, value in pairs(word.variables) do
    for _, other in ipairs(others) do leg.set(other, "offhook_" .. variable, value) end
  end
  done(word)
end

local function read()
  local body = event:getBody() or ""
  if #body > MAX_BODY then return nil, "too long" end
  local word, problem = json.decode(body)
  if not word then return nil, problem end
  if not json.is_object(word) or type(word.event) ~= "string" or type(word.id) ~= "string" then return nil, "no word" end
  if #word.id > 64 or not word.id:find("^[%w._~-]+$") then return nil, "bad id" end
  if not rawget(handlers, word.event) then return nil, "unknown word" end
  return word
end

local function run()
  local kind = (event:getHeader("SIP-Content-Type") or ""):match("^[^;%s]*"):lower()
  if kind ~= "application/vnd.offhook+json" or not uuid then return end
  local agent, domain = leg.agent(uuid)
  if not agent then return leg.log("notice", "word ignored: leg " .. uuid .. " is no agent's") end
  local word, problem = read()
  if not word then return leg.log("notice", "word of " .. agent .. " ignored: " .. problem) end
  leg.log("info", "word of " .. agent .. ": " .. word.event)
  handlers[word.event](word, agent, domain)
end

run()
