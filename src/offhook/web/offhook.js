// One script tag in place of the reference library's: gives the page `postMessages(command)`.
//
//   <script src="https://gateway.example/offhook.js"></script>
//
// data-gateway        WebSocket of the gateway; default: /cti where this script comes from
// data-allow-origin   origins, separated by spaces, that may click to call (and get events posted, with data-post-events)
// data-post-events    post every event to the window too, as sipConfig.voicePostMessageSending does
// data-links          call numbers that are clicked in this page: tel: links and [data-offhook-number]
(function () {
  "use strict";
  if (window.offhook && window.offhook.ready) return; // loaded in place of both of the reference's scripts
  var script = document.currentScript;
  var data = (script && script.dataset) || {};
  var base = (script && script.src) || location.href;
  var waiting = [];
  var dropIn = null;

  window.postMessages = function (command) {
    if (dropIn) dropIn.post(command);
    else waiting.push(command);
  };

  var ready = import(new URL("dropin.mjs", base).href).then(function (module) {
    var gateway = new URL(data.gateway || "cti", base);
    gateway.protocol = gateway.protocol.replace("http", "ws");
    dropIn = new module.DropIn({
      gateway: gateway.href,
      origins: (data.allowOrigin || "").split(/\s+/).filter(Boolean),
      token: data.token,
      post: "postEvents" in data,
      config: function () {
        // A page may say `const sipConfig`, which is global but no property of the window.
        return typeof sipConfig === "object" ? sipConfig : null;
      },
    });
    if ("links" in data) dropIn.links();
    waiting.splice(0).forEach(function (command) {
      dropIn.post(command);
    });
    return dropIn;
  });
  window.offhook = { ready: ready };
})();
