-- Health of a Thing and of a ThingBatch (one script for both): what kstatus, Flux and Helm say, in the words of Argo CD.
-- An offline or sleeping device is healthy: Ready means that the shadow service has accepted the desired state of this generation.
local health = { status = "Progressing", message = "Waiting for the operator" }

local function find(conditions, type)
  for _, condition in ipairs(conditions or {}) do
    if condition.type == type then
      return condition
    end
  end
  return nil
end

local function describe(condition)
  if condition.message ~= nil and condition.message ~= "" then
    return condition.message
  end
  return condition.reason or condition.type
end

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "Being deleted"
  return health
end

if obj.spec ~= nil and obj.spec.suspend == true then
  health.status = "Suspended"
  health.message = "spec.suspend is true: no session, nothing is written"
  return health
end

local status = obj.status or {}
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local reconciling = find(status.conditions, "Reconciling")
if reconciling ~= nil and reconciling.status == "True" then
  health.message = describe(reconciling)
  return health
end

local stalled = find(status.conditions, "Stalled")
if stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = describe(stalled)
  return health
end

local ready = find(status.conditions, "Ready")
if ready == nil then
  return health
end
if ready.status ~= "True" then
  health.message = describe(ready)
  return health
end

health.status = "Healthy"
health.message = describe(ready)
for _, type in ipairs({ "Connected", "InSync" }) do
  local condition = find(status.conditions, type)
  if condition ~= nil and condition.status == "False" then
    health.message = health.message .. "; " .. describe(condition)
  end
end
return health
