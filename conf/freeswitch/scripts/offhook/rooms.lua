-- Run by the hook for conference::maintenance events, and by `sched_api` as "settle <room>" 3 s after a room was asked for.

local leg = require "offhook.leg"
local room = require "offhook.room"

local ROOM = "^offhook%-[%x-]+$"

if event then
  local name, action = event:getHeader("Conference-Name"), event:getHeader("Action")
  if name and name:find(ROOM) then
    if action == "add-member" then
      room.look(name, false)
    elseif action == "del-member" then
      -- Taken over (INVITE with Replaces): the leg's successor comes in a moment.
      if event:getHeader("Hangup-Cause") == "ATTENDED_TRANSFER" then
        room.wait(name)
      else
        room.look(name, true)
      end
    elseif action == "conference-destroy" then
      room.forget(name)
    end
  end
elseif argv and argv[1] == "settle" and argv[2] and argv[2]:find(ROOM) then
  if #room.members(argv[2]) > 0 then
    room.look(argv[2], false, true)
  else
    room.forget(argv[2])
  end
else
  leg.log("err", "rooms.lua: neither an event nor a room")
end
