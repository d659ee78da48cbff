-- The health of a CodeSync in Argo CD, from its conditions (by the rules of kstatus). A person has to act: Degraded. It
-- waits for something that will come, such as a soak time: Healthy.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(kind, wanted)
  return conditions[kind] ~= nil and conditions[kind].status == wanted
end

local function health(word, kind)
  local condition = conditions[kind]
  return {status = word, message = condition.reason .. ": " .. condition.message}
end

if conditions.Ready == nil then
  return {status = "Progressing", message = "voxsync has not seen it yet"}
elseif (status.observedGeneration or 0) < (obj.metadata.generation or 0) then
  return {status = "Progressing", message = "voxsync has not seen its last change yet"}
elseif is("Stalled", "True") then
  return health("Degraded", "Stalled")
elseif is("Reconciling", "True") then
  return health("Progressing", "Reconciling")
elseif is("Ready", "False") then
  return health("Degraded", "Ready")
elseif is("Suspended", "True") then
  return health("Suspended", "Suspended")
elseif is("Ready", "True") then
  return health("Healthy", "Ready")
end
return health("Progressing", "Ready")
