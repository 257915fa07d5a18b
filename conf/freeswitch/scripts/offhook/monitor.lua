-- Monitoring: the application behind *44<number>.
--   dialled <number>   from the dialplan: the leg that dialled it
--   taken <number>     the same call, on the leg that took it over (INVITE with Replaces runs the application again)
--   again              the same leg, after the word WHISPER
-- The listener is heard by nobody unless a WHISPER turned it on: without eavesdrop_enable_dtmf no digit changes that.

local leg = require "offhook.leg"

local uuid = session:get_uuid()
local mode, number = argv[1], argv[2]

local function refuse(status, phrase, why)
  leg.audit("MONITOR", leg.asker(uuid), number or "-", "refused " .. why)
  if session:answered() then
    -- A call that a REFER sent here is being given back meanwhile; any other ends with the dialplan.
    session:sleep(1000)
    return
  end
  session:setVariable("sip_reason", "SIP;cause=" .. status .. ';text="' .. why .. '"')
  session:execute("respond", status .. " " .. phrase)
end

--- Whether this very leg asked for it: no transfer, no REFER brought it here.
local function asked_itself()
  if session:getVariable("direction") ~= "inbound" then return false end
  if mode == "taken" then return (session:getVariable("sip_replaces_call_id") or "") ~= "" end
  if mode == "again" then return (session:getVariable("offhook_monitor_target") or "") ~= "" end
  for _, name in ipairs { "transfer_history", "sip_refer_to", "sip_h_Referred-By", "blind_transfer_uuid" } do
    if (session:getVariable(name) or "") ~= "" then return false end
  end
  return session:getVariable("sip_req_user") == session:getVariable("destination_number")
end

--- The agent's own leg of the call it is talking in, or nil and why not.
local function find(user)
  local domain = select(2, leg.agent(uuid))
  local held = false
  for _, row in ipairs(leg.all()) do
    local candidate = row.uuid
    local agent, its = leg.agent(candidate)
    if agent == user and its == domain and candidate ~= uuid and not leg.get(candidate, "offhook_monitor_target") then
      local talking = leg.answered(candidate) and (leg.partner(candidate) or leg.get(candidate, "offhook_room"))
      if talking and not leg.on_hold(candidate) then return candidate end
      held = held or talking
    end
  end
  return nil, held and "ON_HOLD" or "NO_CALL"
end

local function listen(target)
  local whisper = session:getVariable("offhook_whisper") == "true"
  -- A listener sends nothing, for as long as it likes.
  session:setVariable("media_timeout", "0")
  session:setVariable("media_hold_timeout", "0")
  session:setVariable("eavesdrop_enable_dtmf", "false")
  session:setVariable("eavesdrop_whisper_aleg", "false")
  session:setVariable("eavesdrop_whisper_bleg", tostring(whisper))
  -- Who takes over a leg gets the application it is in (sofia.c, sofia_handle_sip_i_invite_replaces). That must be this
  -- script with its checks, not the bare eavesdrop that is about to run.
  leg.api("sched_api", "+1 none uuid_setvar_multi " .. uuid .. " current_application=lua;current_application_data="
    .. "offhook/monitor.lua\\staken\\s" .. number)
  session:execute("eavesdrop", target)
end

local function run()
  if not session:ready() then return end
  if mode == "again" then number = session:getVariable("offhook_monitor_number") end
  if not number or not number:find("^%d+$") or #number > 20 then return refuse(404, "Not Found", "NO_CALL") end
  if not leg.is_supervisor(uuid) or not asked_itself() then return refuse(403, "Forbidden", "NOT_ALLOWED") end
  local target = mode == "again" and session:getVariable("offhook_monitor_target")
  if mode == "again" and not leg.exists(target) then return end
  if not target then
    local why
    target, why = find(number)
    if not target then return refuse(480, why, why) end
    session:setVariable("offhook_monitor_target", target)
    session:setVariable("offhook_monitor_number", number)
    session:setVariable("offhook_whisper", "false")
    leg.audit("MONITOR", leg.agent(uuid), number, "begins leg=" .. target)
  end
  session:answer()
  listen(target)
end

run()
