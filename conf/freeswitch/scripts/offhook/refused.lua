-- From the dialplan: a number that is refused for good is written down, with who asked for it.
--   refused.lua <what>

local leg = require "offhook.leg"

local uuid = session:get_uuid()
local number = session:getVariable("destination_number") or ""
if not number:find("^[%w*#+._-]+$") or #number > 64 then number = "?" end
leg.audit(argv[1], leg.asker(uuid), number, "refused")
