// Before the first paint, and a file of its own because the content security policy refuses inline scripts.
;(function () {
  var theme = null
  try {
    theme = localStorage.getItem('stead.theme')
  } catch (e) {
    /* storage is off: follow the system */
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
})()
