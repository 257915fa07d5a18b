-- Conferences: who is in, who is told. What is known of a member stands in its channel's variables (offhook_room,
-- offhook_ext, offhook_customer, offhook_held, offhook_muted, offhook_facts); what is known of a room alone, in mod_hash.

local json = require "offhook.json"
local leg = require "offhook.leg"

local room = {}

room.LIMIT = 4

local function remember(name, what, value)
  leg.api("hash", (value and "insert" or "delete") .. "/offhook/" .. name .. "." .. what .. (value and "/" .. value or ""))
end

local function recall(name, what)
  local value = leg.api("hash", "select/offhook/" .. name .. "." .. what)
  return value ~= "" and not value:find("^%-ERR") and value or nil
end

--- The uuids of who is in, in the order they came.
function room.members(name)
  local found = json.decode(leg.api("conference", name .. " json_list"))
  local uuids = {}
  for _, conference in ipairs(json.is_array(found) and found or {}) do
    for _, member in ipairs(conference.members or {}) do
      if leg.exists(member.uuid) then uuids[#uuids + 1] = member.uuid end
    end
  end
  return uuids
end

--- The room that a leg is in, or was sent to.
function room.of(uuid)
  local name = leg.get(uuid, "offhook_room")
  return name and name:find("^offhook%-[%x-]+$") and name or nil
end

local function is(uuid, what)
  return leg.get(uuid, what) == "true"
end

local function member(uuid)
  return {
    ext = leg.get(uuid, "offhook_ext") or leg.number(uuid),
    held = is(uuid, "offhook_held"),
    muted = is(uuid, "offhook_muted"),
    customer = is(uuid, "offhook_customer"),
  }
end

--- Tells every member who is in; the leg `asker` with the id of its word.
function room.tell(name, uuids, reason, asker, id)
  local members = json.array()
  for at, uuid in ipairs(uuids) do members[at] = member(uuid) end
  for _, uuid in ipairs(uuids) do
    leg.say(uuid, {
      event = "CONFERENCE",
      id = uuid == asker and id or nil,
      reasonCode = reason,
      dialog = json.decode(leg.get(uuid, "offhook_facts") or "{}") or {},
      additionalAttributes = { conference = { name = name }, members = members },
    })
  end
end

--- Writes down what a leg is in the room.
local function enrol(uuid, name, facts, customer)
  leg.set(uuid, "offhook_room", name)
  leg.set(uuid, "offhook_ext", leg.number(uuid))
  leg.set(uuid, "offhook_customer", tostring(customer))
  leg.set(uuid, "offhook_held", "false")
  leg.set(uuid, "offhook_muted", "false")
  leg.set(uuid, "offhook_facts", json.encode(facts))
end

--- Sends a leg to the room.
local function send(uuid, name, facts)
  enrol(uuid, name, facts, false)
  leg.api("uuid_transfer", uuid .. " conference:" .. name .. "@offhook inline")
end

--- Looks at the room in 3 s, whoever has come by then.
function room.wait(name)
  leg.api("sched_api", "+3 none lua offhook/rooms.lua settle " .. name)
end

local function lock(uuid)
  return leg.api("hash", "insert_ifempty/offhook/" .. uuid .. ".joining/1"):find("^%+OK") ~= nil
end

--- Opens a room for an agent's leg, the leg it is bridged to (the customer's), and one more leg.
-- asker: who gets the word with `id`. Returns the room's name, or nil where this call is being joined already.
function room.open(uuid, customer, more, facts, reason, asker, id)
  if not lock(uuid) then return nil end
  local name = "offhook-" .. leg.api("create_uuid")
  remember(name, "expect", "3")
  remember(name, "reason", reason)
  remember(name, "asker", asker)
  remember(name, "id", id)
  remember(name, "lock", uuid)
  remember(name, "customer", leg.number(customer))
  remember(name, "more", more)
  room.wait(name)
  send(more, name, facts)
  enrol(uuid, name, facts, false)
  enrol(customer, name, facts, true)
  -- Both at once, or the end of the bridge ends one of them. (`uuid_transfer -both` wants the variable bridge_uuid, which
  -- a called leg has not.)
  local there = " conference:" .. name .. "@offhook/inline"
  leg.api("uuid_dual_transfer", uuid .. there .. there)
  return name
end

--- Brings one more leg into a room that is open.
function room.add(name, more, facts, reason, asker, id)
  remember(name, "expect", tostring(#room.members(name) + 1))
  remember(name, "reason", reason)
  remember(name, "asker", asker)
  remember(name, "id", id)
  remember(name, "more", more)
  room.wait(name)
  send(more, name, facts)
end

--- Leaves a leg to be ended when everybody has come, or nobody will (the agent's consult leg).
function room.end_later(name, uuid)
  remember(name, "consult", uuid)
end

local function end_consult(name, text)
  local consult = recall(name, "consult")
  if consult and leg.exists(consult) then leg.kill(consult, text) end
end

local function close(name, uuids, text)
  remember(name, "closing", "1")
  end_consult(name, text)
  for _, uuid in ipairs(uuids) do leg.kill(uuid, text) end
end

--- Two are left: they are told, and become an ordinary bridged call, which can be held and transferred.
local function turn_into_call(name, uuids)
  remember(name, "closing", "1")
  room.tell(name, uuids, "MEMBER_LEFT")
  local agent, other = uuids[1], uuids[2]
  if is(agent, "offhook_customer") then agent, other = other, agent end
  for _, uuid in ipairs(uuids) do
    leg.set(uuid, "offhook_room")
    leg.set(uuid, "hangup_after_bridge", "true")
    leg.set(uuid, "park_after_bridge", "false")
  end
  leg.api("uuid_bridge", agent .. " " .. other)
end

-- Who takes over a member's leg comes in without its variables.
local function enrol_strangers(name, uuids)
  local facts
  for _, uuid in ipairs(uuids) do facts = facts or leg.get(uuid, "offhook_facts") end
  for _, uuid in ipairs(uuids) do
    if room.of(uuid) ~= name then
      enrol(uuid, name, json.decode(facts or "{}") or {}, leg.number(uuid) == recall(name, "customer"))
    end
  end
end

--- Looks at a room after somebody came or left, and tells who has to know. `force`: nobody is waited for any more.
function room.look(name, left, force)
  if recall(name, "closing") then return end
  local uuids = room.members(name)
  local reason, expect = recall(name, "reason"), tonumber(recall(name, "expect") or "0")
  -- Who hung up on the way there is not waited for; the others are.
  local wanted = reason and not leg.exists(recall(name, "more")) and expect - 1 or expect
  if reason and not left and not force and #uuids < wanted then return end
  enrol_strangers(name, uuids)
  local customer = false
  for _, uuid in ipairs(uuids) do customer = customer or is(uuid, "offhook_customer") end
  if reason and not force and #uuids < wanted and customer then return end
  if not customer then return close(name, uuids, "CUSTOMER_LEFT") end
  if #uuids < 2 then return close(name, uuids, "CONFERENCE_ENDED") end
  local told, before = table.concat(uuids, ","), recall(name, "told") or ""
  if told == before then return end
  remember(name, "told", told)
  local asker, id, consult, locked = recall(name, "asker"), recall(name, "id"), recall(name, "consult"), recall(name, "lock")
  if locked then leg.api("hash", "delete/offhook/" .. locked .. ".joining") end
  local short = consult and #uuids < expect
  end_consult(name, short and "CONSULT_LEFT" or "CONFERENCE")
  if short and asker then
    leg.say(asker, { event = "CONSULT_CONFERENCE_FAILED", id = id, reasonCode = "CONSULT_LEFT" })
    asker, id = nil, nil
  end
  for _, what in ipairs { "reason", "asker", "id", "consult", "expect", "lock", "more" } do remember(name, what) end
  if #uuids == 2 then return turn_into_call(name, uuids) end
  -- The event that brought us here may be of another change than the one that is seen first.
  local change = "MEMBER_LEFT"
  for _, uuid in ipairs(uuids) do change = before:find(uuid, 1, true) and change or "MEMBER_ADDED" end
  room.tell(name, uuids, reason or change, asker, id)
end

--- The room is gone: nothing of it is kept.
function room.forget(name)
  end_consult(name, "CONFERENCE_ENDED")
  local locked = recall(name, "lock")
  if locked then leg.api("hash", "delete/offhook/" .. locked .. ".joining") end
  for _, what in ipairs { "expect", "reason", "asker", "id", "consult", "told", "closing", "lock", "customer", "more" } do
    remember(name, what)
  end
end

return room
