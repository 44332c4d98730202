// Run in a page, this notes where each press of Tab leads; tests/keyboard.py presses, and asks
// `tabbed()` what is wrong with the way.
() => {
  const USABLE = 'a[href], button, input:not([type=hidden]), select, textarea, summary, iframe, ' +
    'audio[controls], video[controls], [contenteditable], [tabindex]:not([tabindex^="-"])'
  const LOOKS = ['boxShadow', 'backgroundColor', 'borderTopColor', 'borderTopWidth',
    'borderBottomColor', 'borderBottomWidth']
  const OUTLINE = ['outlineColor', 'outlineStyle', 'outlineWidth']

  const drawnByLabel = one => one.matches('[type=radio], [type=checkbox]') && one.nextElementSibling
  const look = one => {
    const drawn = drawnByLabel(one)
    const styles = [getComputedStyle(one), ...drawn ? [getComputedStyle(drawn, '::before')] : []]
    return styles.map(style => {
      const outlined = style.outlineStyle !== 'none' && style.outlineWidth !== '0px'
      return [...LOOKS, ...outlined ? OUTLINE : []].map(name => style[name]).join()
    }).join()
  }
  const seen = one => one.getClientRects().length > 0 &&
    (drawnByLabel(one) || one).checkVisibility({visibilityProperty: true, opacityProperty: true})
  const standsForItsGroup = one => {
    if (one.type !== 'radio' || one.checked) return true
    const group = [...document.getElementsByName(one.name)].filter(each => each.form === one.form)
    return group[0] === one && !group.some(each => each.checked)
  }
  const hasParts = one => one.matches('[type=date], [type=time]')  // each of them a stop
  const words = one => {
    const said = one.labels?.[0]?.innerText || one.innerText || one.name || one.id
    return `${one.tagName.toLowerCase()} “${said.trim().replace(/\s+/g, ' ').slice(0, 60)}”`
  }

  document.activeElement.blur()
  const stops = [...document.querySelectorAll(USABLE)].filter(one =>
    !one.matches(':disabled') && seen(one) && standsForItsGroup(one))
  const unfocused = new Map(stops.map(one => [one, look(one)]))
  const faults = [], reached = new Set()
  let before = null, last = null, furthest = -1

  const hiddenBy = one => {
    const part = [...one.getClientRects()].map(box => ({
      left: Math.max(box.left, 0), right: Math.min(box.right, innerWidth),
      top: Math.max(box.top, 0), bottom: Math.min(box.bottom, innerHeight)
    })).find(box => box.right - box.left > 1 && box.bottom - box.top > 1)
    if (!part) return 'the edge of the screen'
    const there = document.elementFromPoint((part.left + part.right) / 2, (part.top + part.bottom) / 2)
    const own = [one, ...one.labels || []].some(each => each.contains(there))
    return own || there?.contains(one) ? '' : words(there)
  }
  const arrive = one => {
    if (one === before && hasParts(one)) return
    before = one
    const fault = what => faults.push(`${words(one)} ${what}`)
    const place = stops.indexOf(one)
    if (place < 0) fault('takes the focus, and is nothing that can be seen and used')
    else if (reached.has(one)) fault('is reached again')
    else if (place < furthest) fault('is reached after what stands below it')
    furthest = Math.max(furthest, place)
    reached.add(one)
    if (unfocused.get(one) === look(one)) fault('looks no other when the focus is on it')
    const cover = seen(one) ? hiddenBy(one) : 'itself'
    if (cover) fault(`has the focus and is hidden by ${cover}`)
    const box = one.getBoundingClientRect()
    const stands = {left: box.left, top: box.top + scrollY, bottom: box.bottom + scrollY}
    if (last && stands.bottom <= last.top && stands.left <= last.left)
      fault('stands before what is reached before it')
    last = stands
  }
  const somewhere = () => {
    const one = document.activeElement
    return one === document.body || one === document.documentElement ? null : one
  }
  // Each press looks at where the one before has led: the page has been scrolled there by now.
  let presses = 0
  const pressed = () => { if (presses++ && somewhere()) arrive(somewhere()) }
  addEventListener('keydown', pressed, true)
  window.tabbed = () => {
    removeEventListener('keydown', pressed, true)
    delete window.tabbed
    // It may have left the page and come back to its top: there is nothing beside the page.
    if (somewhere() && somewhere() !== stops[0]) faults.push(`the focus stays on the page: ${words(somewhere())}`)
    for (const one of stops) if (!reached.has(one)) faults.push(`${words(one)} is not reached`)
    return faults
  }

  document.body.tabIndex = -1  // from the top, wherever the focus was
  document.body.focus()
  document.body.removeAttribute('tabindex')
  return stops.length + 3 * stops.filter(hasParts).length
}
