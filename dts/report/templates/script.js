(() => {
  'use strict';
  const tabs = [...document.querySelectorAll('[role=tab]')];
  const sectionOf = (tab) => document.getElementById(tab.getAttribute('aria-controls'));
  const nameOf = (tab) => tab.id.replace('tab-', '');
  // A finger that drags must scroll the page; the buttons above a chart zoom there.
  const isTouch = matchMedia('(pointer: coarse)').matches;
  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: true,
    // An explicit list: the default one has a button that sends the chart to a server.
    showSendToCloud: false,
    modeBarButtons: [['zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d'], ['toImage']],
  };

  // A hidden element has no width, so a chart is drawn when it is first seen.
  function draw() {
    for (const plot of document.querySelectorAll('.plot:not([data-drawn])')) {
      if (plot.offsetParent === null) continue;
      const figure = JSON.parse(plot.parentElement.nextElementSibling.textContent);
      figure.layout.dragmode = isTouch ? false : 'zoom';
      plot.dataset.drawn = '';
      Plotly.newPlot(plot, figure.data, figure.layout, config);
    }
  }

  function show(chosen) {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute('aria-selected', isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      sectionOf(tab).hidden = !isChosen;
    }
    const row = chosen.parentElement;
    row.scrollLeft = chosen.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
    draw();
  }

  function showAddress() {
    const name = location.hash.slice(1);
    show(tabs.find((tab) => nameOf(tab) === name) || tabs[0]);
  }

  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener('click', () => {
      history.replaceState(null, '', `#${nameOf(tab)}`);
      show(tab);
      if (scrollY > 0) document.querySelector('main').scrollIntoView();
    });
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  }
  addEventListener('hashchange', showAddress);

  for (const select of document.querySelectorAll('select[data-chooses]')) {
    const choices = [...document.querySelectorAll(`[data-choice="${select.dataset.chooses}"]`)];
    const choose = () => {
      choices.forEach((choice, index) => { choice.hidden = index !== select.selectedIndex; });
      draw();
    };
    select.addEventListener('change', choose);
    choose(); // a browser that goes back keeps what was chosen
  }

  const dialog = document.getElementById('enlarged');
  for (const button of document.querySelectorAll('figure button')) {
    button.addEventListener('click', () => {
      const picture = button.querySelector('img');
      dialog.querySelector('img').src = picture.src;
      dialog.querySelector('img').alt = picture.alt;
      dialog.querySelector('p').textContent = picture.alt;
      dialog.showModal();
    });
  }
  dialog.addEventListener('click', () => dialog.close());

  showAddress();
})();
