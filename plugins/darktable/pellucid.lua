--[[
pellucid for darktable: a place to export to. Photographs are exported as TIFF of 16 bits, restored by the program pellucid, and
grouped with their RAW in the collection.

Install: copy this file to ~/.config/darktable/lua/, add  require "pellucid"  to ~/.config/darktable/luarc, and have pellucid in the
PATH. In the export module choose the target "restore by pellucid" and the format TIFF, 16 bits.
]]

local dt = require "darktable"

dt.configuration.check_version(..., { 7, 0, 0 }, { 8, 0, 0 }, { 9, 0, 0 })

local strength = dt.new_widget("slider") {
  label = "strength",
  tooltip = "how much of the noise goes: 1 all, 0 nothing",
  soft_min = 0, soft_max = 2, hard_min = 0, hard_max = 2, step = 0.05, digits = 2, value = 1,
}

-- One argument of the shell, whatever stands in it.
local function quoted(text)
  if dt.configuration.running_os == "windows" then
    return '"' .. text:gsub('"', '') .. '"'
  end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function restored(path)
  return (path:gsub("%.[^.]*$", "")) .. ".clean" .. (path:match("%.[^.]*$") or "")
end

-- The name in the photograph's own folder, with a number where it is taken: nothing is overwritten.
local function free(folder, name)
  local stem, ending = name:match("^(.*)(%.[^.]*)$")
  local place, number = folder .. "/" .. name, 1
  while true do
    local file = io.open(place, "rb")
    if not file then return place end
    file:close()
    place, number = string.format("%s/%s_%02d%s", folder, stem, number, ending), number + 1
  end
end

local function store(_, image, _, path, number, total)
  dt.print(string.format("pellucid: %d of %d", number, total))
  -- One that could not be copied earlier may still be there.
  local place_of, file = path:match("^(.*)[/\\]([^/\\]+)$")
  local output = free(place_of, restored(file))
  local value = string.format("%.2f", strength.value):gsub(",", ".")
  local failed = dt.control.execute("pellucid denoise " .. quoted(path) .. " -o " .. quoted(output) .. " --strength " .. value)
  os.remove(path)
  if failed ~= 0 then
    dt.print("pellucid could not restore " .. image.filename .. "; is it in the PATH? Started from a terminal, darktable shows why")
    return
  end
  local name = output:match("[^/\\]+$")
  local place = free(image.path, name)
  local from, to = io.open(output, "rb"), io.open(place, "wb")
  if not from or not to then
    if from then from:close() end
    if to then to:close(); os.remove(place) end
    dt.print("pellucid: " .. place .. " cannot be written; the output stays as " .. output)
    return
  end
  local written = to:write(from:read("a"))
  from:close()
  -- A full disk shows when the last of it is written.
  if not to:close() or not written then
    os.remove(place)
    dt.print("pellucid: " .. place .. " cannot be written; the output stays as " .. output)
    return
  end
  os.remove(output)
  local made = dt.database.import(place)
  made:group_with(image)
end

dt.register_storage("pellucid", "restore by pellucid", store, nil, function(_, format)
  return format.extension == "tif"
end, nil, strength)
