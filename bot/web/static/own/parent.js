// Leaving at once: the page is replaced, so that "back" does not bring it up again.
(function () {
  "use strict";
  var link = document.getElementById("leave");
  if (!link) return;
  function go(event) {
    event.preventDefault();
    window.location.replace(link.href);
  }
  link.addEventListener("click", go);
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") go(event);
  });
})();
