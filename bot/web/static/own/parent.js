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

// How many signs a field still takes, counted as the server counts them.
(function () {
  "use strict";
  document.querySelectorAll("[data-most]").forEach(function (box) {
    var shown = document.querySelector('[data-count-of="' + box.id + '"]');
    var most = Number(box.dataset.most);
    function measure() {
      var used = Array.from(box.value.trim()).length;
      shown.textContent = used <= most ? used + " / " + most + " 字" : "太长了，请删去" + (used - most) + "个字";
      shown.classList.toggle("over", used > most);
    }
    box.addEventListener("input", measure);
    measure();
  });
})();
