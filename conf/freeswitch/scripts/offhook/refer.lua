-- Asked by mod_sofia (param channel-xml-fetch-on-nightmare-transfer) before it carries out a REFER with a Replaces that
-- names no call of this server. By itself it would call whatever address the REFER gives, past the dialplan, and put the
-- address's parameters unquoted in front of the dial string, where they can be variables of the new channel
-- (`api_on_originate`: any API command) or another dial string. Here it goes nowhere: the transfer is refused (NOTIFY 403),
-- the call stays. mod_sofia still writes the parameters in front, so who puts in what ends a group there loses the call:
-- of a channel that is hung up nothing is transferred (sofia.c, nightmare_xfer_thread_run).

local leg = require "offhook.leg"

local NOWHERE = [[<document type="freeswitch/xml"><section name="channels"><params>
<param name="dial-prefix" value=""/><param name="absolute-dial-string" value="error/call_rejected"/>
</params></section></document>]]

-- What a URI's parameters and headers may have in them (RFC 3261 25.1), but no comma, bracket, brace or dollar.
local PLAIN = "^[%w%-_.!~*'()&=+;?/:%%]*$"

local function given(name)
  return params and params:getHeader(name) or ""
end

local said = given("refer-to-params") .. given("refer-to-headers")
if not said:find(PLAIN) or #said > 2000 then
  local uuid = given("refer-from-channel-id")
  leg.log("warning", "a REFER of " .. uuid .. " tried to write a dial string: its call is ended")
  if leg.exists(uuid) then leg.api("uuid_kill", uuid .. " CALL_REJECTED") end
end
XML_STRING = NOWHERE
