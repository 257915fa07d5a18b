-- mod_sofia hands the Reason of a party's BYE to the other leg (sofia.c, sofia_handle_sip_i_bye), where a client would take it
-- for the server's word. When a leg's bridge is over, and before it is hung up, this takes it away again unless it is ours:
-- the leg's BYE then says why FreeSWITCH ended it.
--   ended.lua <uuid>     api_after_bridge, or the dialplan after a call that was refused
--   ended.lua answered   execute_on_answer: sees to it that the above is run. (A dialled leg takes no variable with ${uuid}.)

local leg = require "offhook.leg"

if argv[1] == "answered" then
  session:setVariable("api_after_bridge", "lua offhook/ended.lua " .. session:get_uuid())
elseif leg.exists(argv[1]) then
  local uuid = argv[1]
  local said = leg.get(uuid, "sip_reason")
  if said and said ~= leg.get(uuid, "offhook_reason") then leg.set(uuid, "sip_reason") end
end
