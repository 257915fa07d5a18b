"""What mends an installation of conf/freeswitch, in words that several checks say.

Paths are below FreeSWITCH's folders; `docs/how-to/freeswitch-server.md`
says where each file goes.
"""

from __future__ import annotations

AUDIO = (
    "No audio passes. On FreeSWITCH: offhook_rtp_ip and offhook_ext_rtp_ip of offhook/vars.xml must be addresses that "
    "this machine reaches, offhook_candidate_acl a list (acl.conf.xml) that has this machine's address, and UDP "
    "rtp-start-port to rtp-end-port of autoload_configs/switch.conf.xml open in the firewall"
)

CODEC = (
    "Nothing of what was offered can be used: have a codec in common (global_codec_prefs and outbound_codec_prefs of "
    "vars.xml with OPUS, PCMU or PCMA; mod_opus loaded for the first), and this machine's address in the list that "
    "offhook_candidate_acl of offhook/vars.xml names (acl.conf.xml)"
)

DIALPLAN = "install dialplan/offhook.xml and give the users user_context=offhook (directory/*.xml)"

DIAL_STRING = (
    "The user's dial-string (directory/agent.xml.template) asks scripts/offhook/contact.lua where to call: have it and "
    "leg.lua in FreeSWITCH's script folder, and offhook/lua_settings.xml included in autoload_configs/lua.conf.xml "
    "(script-directory); restart FreeSWITCH"
)

WORDS = (
    'the line `<X-PRE-PROCESS cmd="include" data="../offhook/lua_settings.xml"/>` in autoload_configs/lua.conf.xml '
    "with its RECV_INFO hook, mod_lua loaded (modules.conf.xml), scripts/offhook/words.lua in FreeSWITCH's script "
    "folder, and FreeSWITCH restarted (hooks are read at its start alone)"
)

CONFERENCES = (
    "Include offhook/conference_profile.xml in autoload_configs/conference.conf.xml, have mod_conference loaded "
    "(modules.conf.xml) and scripts/offhook/room.lua and rooms.lua in FreeSWITCH's script folder; restart FreeSWITCH"
)

CONFIRM = (
    "Set confirm-blind-transfer to true in sip_profiles/offhook.xml and restart the profile; dialplan/offhook.xml "
    "makes every target confirm"
)

REFER = (
    "Set channel-xml-fetch-on-nightmare-transfer to true in sip_profiles/offhook.xml, have scripts/offhook/refer.lua "
    "in FreeSWITCH's script folder, and offhook/lua_settings.xml (xml-handler-script, xml-handler-bindings) included "
    "in autoload_configs/lua.conf.xml; restart FreeSWITCH; at once"
)

NUMBERS = (
    "Install dialplan/offhook.xml anew: its first extension, offhook-number, refuses such a number for every leg; "
    "contexts of your own that a REFER reaches need the same. At once: mod_cdr_csv of the sample configuration expands "
    "${destination_number} too"
)

PASSWORDS = "set accept-blind-reg and accept-blind-auth to false in sip_profiles/offhook.xml, and restart the profile"

DOMAIN = "challenge-realm and force-register-domain of sip_profiles/offhook.xml, domain of vars.xml"

WSS_PEM = "wss.pem in FreeSWITCH's tls folder (key, certificate and chain in one file), then restart FreeSWITCH"
